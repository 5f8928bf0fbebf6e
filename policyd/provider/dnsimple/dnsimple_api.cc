#include "policyd/provider/dnsimple/dnsimple_api.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/host_api.h"
#include "policyd/provider/api/record_steps.h"
#include "policyd/provider/api/url.h"

namespace dmarcate {
namespace {

constexpr size_t kPerPage = 100;
constexpr uint32_t kMinTtl = 60;
constexpr uint32_t kMaxTtl = 2'147'483'647;

class DnsimpleApi final : public TokenApi {
 public:
  DnsimpleApi(std::string base, std::string account, Secret token)
      : TokenApi("dnsimple", ProviderClass::kB, "Authorization", "Bearer ", std::move(token)),
        base_(std::move(base)),
        account_(std::move(account)) {}

  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override;
  absl::StatusOr<std::vector<HostedZone>> ListZones(ApiCall& call) override;
  absl::StatusOr<std::vector<HostedZone>> FindZones(ApiCall& call, const DomainName& name) override;
  absl::StatusOr<HostedRrSet> Read(ApiCall& call, const HostedZone& zone,
                                   const DomainName& owner) override;
  absl::Status Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                     const RrSetChange& change) override;
  void Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test) override;

 private:
  // Where the zones of the account are; asks for the account where it is not set.
  absl::StatusOr<std::string> Zones(ApiCall& call);
  // `url` ends in '?' or '&'.
  absl::StatusOr<std::vector<Json>> List(ApiCall& call, const std::string& url);
  const std::string base_;
  std::mutex mutex_;
  std::string account_;
};

std::optional<ApiError> DnsimpleApi::ErrorOf(const HttpResponse& response) const {
  std::optional<ApiFailure> failure = FailureOfStatus(response.status);
  if (!failure) return std::nullopt;
  const Json body = ParseJson(response.body);
  std::string said = StringAt(body, "message").value_or("");
  const Json& errors = MemberOf(body, "errors");
  if (errors.is_object()) {
    for (const auto& [field, texts] : errors.items()) {
      for (const Json& text : texts) {
        if (text.is_string()) said += fmt::format("; {}: {}", field, text.get<std::string>());
      }
    }
  }
  if (failure == ApiFailure::kRefused && said.find("CNAME") != std::string::npos) {
    failure = ApiFailure::kNotHere;
  }
  return ApiError{*failure, std::move(said)};
}

absl::StatusOr<std::string> DnsimpleApi::Zones(ApiCall& call) {
  std::string account;
  {
    const std::lock_guard lock(mutex_);
    account = account_;
  }
  if (account.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(const HttpResponse response, call.Read({.url = base_ + "/whoami"}));
    const Json body = ParseJson(response.body);
    const Json& data = MemberOf(body, "data");
    if (!data.is_object()) return NotUnderstood("nobody");
    const std::optional<std::string> id = IdAt(MemberOf(data, "account"), "id");
    if (!id) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       "dnsimple: the token is of a user, not of one account; set account");
    }
    account = *id;
    const std::lock_guard lock(mutex_);
    account_ = account;
  }
  return fmt::format("{}/{}/zones", base_, QueryEscape(account));
}

absl::StatusOr<std::vector<Json>> DnsimpleApi::List(ApiCall& call, const std::string& url) {
  return ReadPages(
      call,
      {.url =
           [&](uint64_t page) { return fmt::format("{}page={}&per_page={}", url, page, kPerPage); },
       .more =
           [](const Json& body, uint64_t page) {
             return NumberAt(MemberOf(body, "pagination"), "total_pages").value_or(1) > page;
           },
       .total =
           [](const Json& body) {
             return NumberAt(MemberOf(body, "pagination"), "total_entries");
           }});
}

std::string ReadOnly(const Json& zone) {
  return BoolAt(zone, "secondary").value_or(false)
             ? "it is a secondary zone; change it at its primary"
             : "";
}

absl::StatusOr<std::vector<HostedZone>> DnsimpleApi::ListZones(ApiCall& call) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string url, Zones(call));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Json> results, List(call, url + "?"));
  std::vector<HostedZone> zones;
  for (const Json& result : results) {
    const std::optional<std::string> name = StringAt(result, "name");
    if (!name) return NotUnderstood("zone without name");
    AddZone(zones, *name, *name, ReadOnly(result));
  }
  return zones;
}

absl::StatusOr<std::vector<HostedZone>> DnsimpleApi::FindZones(ApiCall& call,
                                                               const DomainName& name) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string url, Zones(call));
  const absl::StatusOr<HttpResponse> response =
      call.Read({.url = fmt::format("{}/{}", url, QueryEscape(name.text()))});
  if (response.status().code() == absl::StatusCode::kNotFound) return std::vector<HostedZone>{};
  if (!response.ok()) return response.status();
  const Json body = ParseJson(response->body);
  const Json& data = MemberOf(body, "data");
  std::vector<HostedZone> zones;
  AddZone(zones, StringAt(data, "name").value_or(""), name.text(), ReadOnly(data));
  if (zones.empty() || zones.front().name != name) return NotUnderstood("another zone");
  return zones;
}

absl::StatusOr<HostedRrSet> DnsimpleApi::Read(ApiCall& call, const HostedZone& zone,
                                              const DomainName& owner) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string url, Zones(call));
  const std::string relative = RelativeName(owner, zone.name, "");
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Json> results,
                            List(call, fmt::format("{}/{}/records?name={}&type=TXT&", url,
                                                   QueryEscape(zone.id), QueryEscape(relative))));
  HostedRrSet rrset;
  for (const Json& result : results) {
    const std::optional<std::string> id = IdAt(result, "id");
    const std::optional<std::string> name = StringAt(result, "name");
    const std::optional<std::string> content = StringAt(result, "content");
    const std::optional<uint32_t> ttl = TtlAt(result, "ttl");
    if (!id || !name || !content || !ttl) return NotUnderstood("record without a member");
    if (StringAt(result, "type") != "TXT" || AsciiLower(*name) != relative) continue;
    HostedRecord record = MakeHostedRecord(TxtForm::kQuotedOrRaw, *id, *content, *ttl);
    if (content->starts_with("ALIAS for ") || content->starts_with("\"ALIAS for ")) {
      record.locked = "it belongs to an ALIAS record";
    } else if (BoolAt(result, "system_record").value_or(false)) {
      record.locked = "the host keeps it for one of its own services";
    } else if (!MemberOf(result, "parent_id").is_null()) {
      record.locked = "it belongs to another record";
    }
    AddRecord(rrset, std::move(record));
  }
  return rrset;
}

absl::Status DnsimpleApi::Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                                const RrSetChange& change) {
  DMARCATE_RETURN_IF_ERROR(CheckPrintable(now, change.after));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<RecordStep> steps,
                            PlanRecordSteps(now, change.after, TxtForm::kQuotedOrRaw));
  DMARCATE_ASSIGN_OR_RETURN(const std::string url, Zones(call));
  const std::string records = fmt::format("{}/{}/records", url, QueryEscape(zone.id));
  const uint32_t ttl = std::clamp(change.ttl_seconds, kMinTtl, kMaxTtl);
  return TakeRecordSteps(call, steps, [&](const RecordStep& step) {
    const std::string one = fmt::format("{}/{}", records, QueryEscape(step.id));
    if (step.kind == RecordStep::Kind::kDelete) {
      return call.Write({.method = "DELETE", .url = one}).status();
    }
    Json body = {{"content", step.value}};
    if (step.kind == RecordStep::Kind::kUpdate) {
      const auto old = std::ranges::find(now.records, step.id, &HostedRecord::id);
      if (old->ttl_seconds != ttl) body["ttl"] = ttl;
      return call.Write({.method = "PATCH", .url = one, .body = ToText(body)}).status();
    }
    body["type"] = "TXT";
    body["name"] = RelativeName(change.owner, zone.name, "");
    body["ttl"] = ttl;
    return call.Write({.method = "POST", .url = records, .body = ToText(body)}).status();
  });
}

absl::Status BadSetting(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, what);
}

// Whose the token is; which rights it has, where it is scoped, is not told.
void DnsimpleApi::Probe(ApiCall& call, const std::vector<HostedZone>&, ProviderTest& test) {
  const absl::StatusOr<HttpResponse> response = call.Read({.url = base_ + "/whoami"});
  const Json body = response.ok() ? ParseJson(response->body) : Json();
  if (MemberOf(MemberOf(body, "data"), "user").is_object()) {
    test.warnings.push_back(
        "the token is of a user and reaches every account of theirs; one of the account, scoped to "
        "the zone, loses less if it is stolen");
  }
  TellNotKnown("whether it may write: this host tells no token its scopes", test);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZoneApi>> OpenDnsimple(const HostedSettings& settings,
                                                      Secret secret) {
  const auto setting = [&](const char* key) {
    const auto found = settings.find(key);
    return found == settings.end() ? std::string() : found->second;
  };
  const std::string account = setting("account");
  if (account.find_first_not_of("0123456789") != std::string::npos) {
    return BadSetting("account: its number is wanted, as in the URLs of the panel");
  }
  const std::string environment = setting("environment");
  if (!environment.empty() && environment != "production" && environment != "sandbox") {
    return BadSetting("environment: production or sandbox is wanted");
  }
  return std::make_unique<DnsimpleApi>(environment == "sandbox"
                                           ? "https://api.sandbox.dnsimple.com/v2"
                                           : "https://api.dnsimple.com/v2",
                                       account, std::move(secret));
}

}  // namespace dmarcate
