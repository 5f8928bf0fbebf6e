#include "policyd/service/provider_change.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "google/protobuf/util/field_mask_util.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"
#include "lib/rpc/errors.h"
#include "policyd/service/handler.h"
#include "policyd/service/names.h"
#include "policyd/service/provider_config.h"

namespace dmarcate {
namespace {

using google::protobuf::util::FieldMaskUtil;

constexpr size_t kMostNamed = 5;

// The field of the message that holds the configuration: "powerdns", "hosted".
std::string ConfigField(const v1::DnsProvider& provider) {
  const auto* field = v1::DnsProvider::descriptor()->FindFieldByNumber(provider.config_case());
  return field == nullptr ? std::string() : field->name();
}

absl::Status InvalidPath(const std::string& path, std::string_view why) {
  return ReasonError(Reason::kUpdateMaskInvalid,
                     fmt::format("update_mask: \"{}\" {}",
                                 EscapeForTerminal(std::string_view(path).substr(0, 100)), why),
                     {{"field", "update_mask"}, {"path", path.substr(0, 100)}});
}

bool IsOutputOnly(const std::string& path) {
  return path == "name" || path == "etag" || path == "create_time" || path == "provider_class";
}

// "a.example, b.example and 3 more"
std::string Named(const std::vector<std::string>& domains) {
  const size_t shown = std::min(domains.size(), kMostNamed);
  std::string out = Join({domains.begin(), domains.begin() + static_cast<ptrdiff_t>(shown)}, ", ");
  if (domains.size() > shown) out += fmt::format(" and {} more", domains.size() - shown);
  return out;
}

std::map<std::string, std::string> NamedIn(const std::vector<std::string>& domains) {
  return {{"domains", Named(domains)}, {"count", fmt::format("{}", domains.size())}};
}

absl::StatusOr<std::vector<DomainRecord>> BoundTo(const std::string& id, PolicyStore& policies) {
  DMARCATE_ASSIGN_OR_RETURN(std::vector<DomainRecord> domains, AllDomains(policies));
  std::erase_if(domains, [&id](const DomainRecord& domain) { return domain.dns_provider != id; });
  return domains;
}

enum class Scheduled : uint8_t { kIgnore, kCount };

absl::Status CheckNoChange(const std::string& id, PolicyStore& policies, Scheduled scheduled,
                           std::string_view what) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<ChangeRecord> open, policies.OpenChanges());
  for (const ChangeRecord& change : open) {
    if (change.dns_provider != id) continue;
    if (change.scheduled() && scheduled == Scheduled::kIgnore) continue;
    const std::string name = DomainChildResource(change.domain, kChanges, change.id);
    return ReasonError(Reason::kChangeInProgress,
                       fmt::format("{} is {} and uses {}; {}: dmarcate changes show {}", name,
                                   change.scheduled() ? "scheduled" : "under way",
                                   ProviderResource(id), what, name),
                       {{"change", name}});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DnsProviderRecord> MergeProvider(const DnsProviderRecord& before,
                                                const v1::UpdateDnsProviderRequest& in,
                                                const ProviderFactory& providers) {
  v1::DnsProvider merged = ShowProvider(before);
  const std::string config = ConfigField(merged);
  if (in.update_mask().paths().empty()) {
    return ReasonError(Reason::kUpdateMaskRequired,
                       fmt::format("update_mask: required; name \"{}\" or parts of it", config),
                       {{"field", "update_mask"}});
  }
  google::protobuf::FieldMask mask;
  for (const std::string& path : in.update_mask().paths()) {
    if (IsOutputOnly(path)) continue;
    if (!FieldMaskUtil::IsValidPath<v1::DnsProvider>(path)) {
      return InvalidPath(path, "is no field of an account");
    }
    if (path.substr(0, path.find('.')) != config) {
      return InvalidPath(path, fmt::format("is of another type; an account stays \"{}\": add "
                                           "another one and bind the domains to it",
                                           before.type));
    }
    mask.add_paths(path);
  }
  FieldMaskUtil::MergeOptions options;
  options.set_replace_message_fields(true);
  options.set_replace_repeated_fields(true);
  FieldMaskUtil::MergeMessageTo(in.dns_provider(), mask, options, &merged);
  if (merged.has_hosted() && merged.hosted().type() != before.type) {
    return FieldError("dns_provider.hosted.type",
                      fmt::format("an account stays \"{}\": add another one", before.type));
  }
  DnsProviderRecord record = before;
  DMARCATE_RETURN_IF_ERROR(ReadProviderConfig(merged, providers, &record));
  return record;
}

absl::Status CheckProviderChange(const DnsProviderRecord& before, const DnsProviderRecord& after,
                                 PolicyStore& policies) {
  if (before.settings == after.settings && before.zones == after.zones) return absl::OkStatus();
  return CheckNoChange(before.id, policies, Scheduled::kIgnore,
                       "until it has ended only the secret can be changed");
}

absl::StatusOr<v1::DnsProviderTestResult> TryProvider(const DnsProviderRecord& record,
                                                      PolicyStore& policies,
                                                      ProviderFactory& providers) {
  const absl::StatusOr<std::shared_ptr<DnsProvider>> provider = providers.Open(record);
  if (!provider.ok()) {
    return ReasonError(Reason::kProviderCredential,
                       fmt::format("not changed: {}", MessageOf(provider.status())));
  }
  const ProviderTest test = (*provider)->Test();
  const auto failed = [&test](Reason reason) {
    return ReasonError(reason, fmt::format("not changed: the test says: {}", test.message));
  };
  switch (test.state) {
    case ProviderTest::State::kWorking:
      break;
    case ProviderTest::State::kCredentialRefused:
      return failed(Reason::kProviderCredential);
    case ProviderTest::State::kUnreachable:
      return failed(Reason::kProviderUnavailable);
    case ProviderTest::State::kMisconfigured:
      return failed(Reason::kProviderRejected);
  }
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<DomainRecord> bound, BoundTo(record.id, policies));
  // An account without zones of its own has them all: where a person writes.
  const bool everywhere = test.zones.empty();
  std::vector<std::string> without_zone;
  for (const DomainRecord& domain : bound) {
    const auto name =
        DomainName::Parse(domain.delegation_zone.empty() ? domain.name : domain.delegation_zone);
    const bool found =
        everywhere || (name.ok() && std::ranges::any_of(test.zones, [&](const DomainName& zone) {
                         return name->IsAtOrBelow(zone);
                       }));
    if (!found) without_zone.push_back(domain.name);
  }
  if (!without_zone.empty()) {
    return ReasonError(
        Reason::kZoneNotBound,
        fmt::format("not changed: the account would not show the zone of {}, which is bound to it; "
                    "bind it to another account first, or to none",
                    Named(without_zone)),
        NamedIn(without_zone));
  }
  return ToTestResult(test, (*provider)->provider_class());
}

absl::Status CheckProviderUnused(const std::string& id, PolicyStore& policies) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<DomainRecord> bound, BoundTo(id, policies));
  if (!bound.empty()) {
    std::vector<std::string> names;
    for (const DomainRecord& domain : bound) names.push_back(domain.name);
    std::map<std::string, std::string> metadata = NamedIn(names);
    metadata["guard"] = "PROVIDER_IN_USE";
    return ReasonError(
        Reason::kGuardRefused,
        fmt::format("PROVIDER_IN_USE: {} writes for {}; bind them to another account "
                    "first, or to none: dmarcate domains set {} --provider NAME",
                    ProviderResource(id), Named(names), names.front()),
        metadata);
  }
  return CheckNoChange(id, policies, Scheduled::kCount, "wait for it, or withdraw it");
}

v1::DnsProviderTestResult ToTestResult(const ProviderTest& test, ProviderClass provider_class) {
  v1::DnsProviderTestResult out;
  out.set_state(static_cast<v1::DnsProviderTestResult::State>(test.state));  // numbered alike
  out.set_message(test.message);
  for (const DomainName& zone : test.zones) out.add_zones(zone.text());
  for (const std::string& warning : test.warnings) out.add_warnings(warning);
  out.set_provider_class(static_cast<v1::ProviderClass>(provider_class));
  return out;
}
static_assert(static_cast<int>(ProviderTest::State::kWorking) ==
                  v1::DnsProviderTestResult::STATE_WORKING &&
              static_cast<int>(ProviderTest::State::kMisconfigured) ==
                  v1::DnsProviderTestResult::STATE_MISCONFIGURED);

}  // namespace dmarcate
