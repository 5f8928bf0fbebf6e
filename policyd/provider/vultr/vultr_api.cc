#include "policyd/provider/vultr/vultr_api.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/host_api.h"
#include "policyd/provider/api/record_steps.h"
#include "policyd/provider/api/url.h"

namespace dmarcate {
namespace {

constexpr std::string_view kBase = "https://api.vultr.com/v2";
constexpr size_t kPerPage = 500;

std::string Domain(std::string_view name) {
  return fmt::format("{}/domains/{}", kBase, QueryEscape(name));
}

class VultrApi final : public TokenApi {
 public:
  explicit VultrApi(Secret token)
      : TokenApi("vultr", ProviderClass::kB, "Authorization", "Bearer ", std::move(token)) {}

  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override {
    std::optional<ApiFailure> failure = FailureOfStatus(response.status);
    if (!failure) return std::nullopt;
    std::string said = StringAt(ParseJson(response.body), "error").value_or("");
    if (failure == ApiFailure::kRefused && said.find("CNAME") != std::string::npos) {
      failure = ApiFailure::kNotHere;
    }
    return ApiError{*failure, std::move(said)};
  }
  absl::StatusOr<std::vector<HostedZone>> ListZones(ApiCall& call) override;
  absl::StatusOr<std::vector<HostedZone>> FindZones(ApiCall& call, const DomainName& name) override;
  absl::StatusOr<HostedRrSet> Read(ApiCall& call, const HostedZone& zone,
                                   const DomainName& owner) override;
  absl::Status Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                     const RrSetChange& change) override;
  void Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test) override;

 private:
  absl::StatusOr<std::vector<Json>> List(ApiCall& call, const std::string& url, const char* member);
};

absl::StatusOr<std::vector<Json>> VultrApi::List(ApiCall& call, const std::string& url,
                                                 const char* member) {
  std::string cursor;
  return ReadPages(
      call, {.url =
                 [&](uint64_t) {
                   return fmt::format("{}?per_page={}{}", url, kPerPage,
                                      cursor.empty() ? "" : "&cursor=" + QueryEscape(cursor));
                 },
             .member = member,
             .more =
                 [&](const Json& body, uint64_t) {
                   cursor =
                       StringAt(MemberOf(MemberOf(body, "meta"), "links"), "next").value_or("");
                   return !cursor.empty();
                 },
             .total = [](const Json& body) { return NumberAt(MemberOf(body, "meta"), "total"); }});
}

absl::StatusOr<std::vector<HostedZone>> VultrApi::ListZones(ApiCall& call) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Json> domains,
                            List(call, fmt::format("{}/domains", kBase), "domains"));
  std::vector<HostedZone> zones;
  for (const Json& domain : domains) {
    const std::optional<std::string> name = StringAt(domain, "domain");
    if (!name) return NotUnderstood("domain without name");
    AddZone(zones, *name, *name);
  }
  return zones;
}

absl::StatusOr<std::vector<HostedZone>> VultrApi::FindZones(ApiCall& call, const DomainName& name) {
  return FindZoneAt(call, Domain(name.text()), name,
                    [](const Json& body) { return StringAt(MemberOf(body, "domain"), "domain"); });
}

absl::StatusOr<HostedRrSet> VultrApi::Read(ApiCall& call, const HostedZone& zone,
                                           const DomainName& owner) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Json> results,
                            List(call, Domain(zone.id) + "/records", "records"));
  HostedRrSet rrset;
  for (const Json& result : results) {
    if (StringAt(result, "type") != "TXT") continue;
    const std::optional<std::string> id = IdAt(result, "id");
    const std::optional<std::string> name = StringAt(result, "name");
    const std::optional<std::string> data = StringAt(result, "data");
    const std::optional<uint32_t> ttl = TtlAt(result, "ttl");
    if (!id || !name || !data || !ttl) return NotUnderstood("record without a member");
    if (AsciiLower(*name) != RelativeName(owner, zone.name, "")) continue;
    AddRecord(rrset, MakeHostedRecord(TxtForm::kOnePair, *id, *data, *ttl));
  }
  return rrset;
}

absl::Status VultrApi::Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                             const RrSetChange& change) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<RecordStep> steps,
                            PlanRecordSteps(now, change.after, TxtForm::kOnePair));
  const std::string records = Domain(zone.id) + "/records";
  return TakeRecordSteps(call, steps, [&](const RecordStep& step) {
    const std::string one = fmt::format("{}/{}", records, QueryEscape(step.id));
    if (step.kind == RecordStep::Kind::kDelete) {
      return call.Write({.method = "DELETE", .url = one}).status();
    }
    Json body = {{"data", step.value}};
    if (step.kind == RecordStep::Kind::kUpdate) {
      const auto old = std::ranges::find(now.records, step.id, &HostedRecord::id);
      if (old->ttl_seconds != change.ttl_seconds) body["ttl"] = change.ttl_seconds;
      return call.Write({.method = "PATCH", .url = one, .body = ToText(body)}).status();
    }
    body["type"] = "TXT";
    body["name"] = RelativeName(change.owner, zone.name, "");
    body["ttl"] = change.ttl_seconds;
    return call.Write({.method = "POST", .url = records, .body = ToText(body)}).status();
  });
}

// The account says which of its rights the key's user has: "dns", "billing", ...
void VultrApi::Probe(ApiCall& call, const std::vector<HostedZone>&, ProviderTest& test) {
  const absl::StatusOr<HttpResponse> response =
      call.Read({.url = fmt::format("{}/account", kBase)});
  const Json body = response.ok() ? ParseJson(response->body) : Json();
  const Json& rights = MemberOf(MemberOf(body, "account"), "acls");
  if (!rights.is_array())
    return TellNotKnown("the rights of the key: the account is not shown", test);
  bool may_write = false;
  std::vector<std::string> excess;
  for (const Json& right : rights) {
    if (!right.is_string()) continue;
    if (right == "dns") {
      may_write = true;
    } else {
      excess.push_back(right.get<std::string>());
    }
  }
  if (!may_write) {
    return TellMissing("vultr: the user of the key may not manage DNS; give it that right (dns)",
                       test);
  }
  TellExcess(excess, test);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZoneApi>> OpenVultr(const HostedSettings&, Secret secret) {
  return std::make_unique<VultrApi>(std::move(secret));
}

}  // namespace dmarcate
