#include "policyd/provider/gandi/gandi_api.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/host_api.h"
#include "policyd/provider/api/record_steps.h"
#include "policyd/provider/api/url.h"

namespace dmarcate {
namespace {

constexpr std::string_view kBase = "https://api.gandi.net/v5/livedns";
constexpr std::string_view kTokenInfo = "https://id.gandi.net/tokeninfo";
constexpr std::string_view kTechnical =
    "domain:tech";                                 // Manage domain name technical configurations
constexpr std::string_view kView = "domain:view";  // See and renew domain names
constexpr size_t kPerPage = 100;
constexpr uint32_t kMinTtl = 300;
constexpr uint32_t kMaxTtl = 2'592'000;

std::string Domain(std::string_view name) {
  return fmt::format("{}/domains/{}", kBase, QueryEscape(name));
}
std::string Set(const HostedZone& zone, const DomainName& owner) {
  return fmt::format("{}/records/{}/TXT", Domain(zone.id),
                     QueryEscape(RelativeName(owner, zone.name, "@")));
}

class GandiApi final : public TokenApi {
 public:
  explicit GandiApi(Secret token)
      : TokenApi("gandi", ProviderClass::kC, "Authorization", "Bearer ", std::move(token)) {}

  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override;
  absl::StatusOr<std::vector<HostedZone>> ListZones(ApiCall& call) override;
  absl::StatusOr<std::vector<HostedZone>> FindZones(ApiCall& call, const DomainName& name) override;
  absl::StatusOr<HostedRrSet> Read(ApiCall& call, const HostedZone& zone,
                                   const DomainName& owner) override;
  absl::Status Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                     const RrSetChange& change) override;
  void Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test) override;
};

// What the host says of a set that is not there; of a domain it says another object.
constexpr std::string_view kNoRecord = "dns-record: ";

std::optional<ApiError> GandiApi::ErrorOf(const HttpResponse& response) const {
  std::optional<ApiFailure> failure = FailureOfStatus(response.status);
  if (!failure) return std::nullopt;
  const Json body = ParseJson(response.body);
  std::string said = StringAt(body, "message").value_or("");
  const Json& errors = MemberOf(body, "errors");
  if (errors.is_array()) {
    for (const Json& error : errors) {
      said += fmt::format("; {}: {}", StringAt(error, "name").value_or(""),
                          StringAt(error, "description").value_or(""));
    }
  }
  if (failure == ApiFailure::kMissing && StringAt(body, "object") == "dns-record") {
    said.insert(0, kNoRecord);
  }
  if (failure == ApiFailure::kRefused && said.find("CNAME") != std::string::npos) {
    failure = ApiFailure::kNotHere;
  }
  return ApiError{*failure, std::move(said)};
}

absl::StatusOr<std::vector<HostedZone>> GandiApi::ListZones(ApiCall& call) {
  std::vector<HostedZone> zones;
  PageGuard guard;
  size_t seen = 0;
  for (size_t page = 1;; ++page) {
    DMARCATE_RETURN_IF_ERROR(guard.Next(std::to_string(page)));
    DMARCATE_ASSIGN_OR_RETURN(
        const HttpResponse response,
        call.Read({.url = fmt::format("{}/domains?page={}&per_page={}", kBase, page, kPerPage)}));
    const Json body = ParseJson(response.body);
    if (!body.is_array()) return NotUnderstood("no list of domains");
    for (const Json& domain : body) {
      const std::optional<std::string> name = StringAt(domain, "fqdn");
      if (!name) return NotUnderstood("domain without name");
      AddZone(zones, *name, *name);
    }
    seen += body.size();
    // A host that does not say how many there are is asked until a page is empty.
    const Json total = ParseJson(response.Header("total-count").value_or("null"));
    if (body.empty() || (total.is_number_unsigned() && total <= seen)) {
      if (total.is_number_unsigned() && total != seen) {
        return NotUnderstood(fmt::format("{} of {} domains were sent", seen, ToText(total)));
      }
      return zones;
    }
  }
}

absl::StatusOr<std::vector<HostedZone>> GandiApi::FindZones(ApiCall& call, const DomainName& name) {
  return FindZoneAt(call, Domain(name.text()), name,
                    [](const Json& body) { return StringAt(body, "fqdn"); });
}

absl::StatusOr<HostedRrSet> GandiApi::Read(ApiCall& call, const HostedZone& zone,
                                           const DomainName& owner) {
  HostedRrSet rrset;
  const absl::StatusOr<HttpResponse> response = call.Read({.url = Set(zone, owner)});
  if (response.status().code() == absl::StatusCode::kNotFound &&
      MessageOf(response.status()).find(kNoRecord) != std::string_view::npos) {
    return rrset;
  }
  if (!response.ok()) return response.status();
  const Json body = ParseJson(response->body);
  const std::optional<uint32_t> ttl = TtlAt(body, "rrset_ttl");
  const Json& values = MemberOf(body, "rrset_values");
  if (StringAt(body, "rrset_type") != "TXT" || !ttl || !values.is_array()) {
    return NotUnderstood("no set");
  }
  for (const Json& value : values) {
    if (!value.is_string()) return NotUnderstood("value that is no text");
    AddRecord(rrset, MakeHostedRecord(TxtForm::kQuoted, "", value.get<std::string>(), *ttl));
  }
  return rrset;
}

absl::Status GandiApi::Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                             const RrSetChange& change) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<std::string> values,
                            KeepValues(now, change.after, TxtForm::kQuoted));
  const std::string one = Set(zone, change.owner);
  if (values.empty()) return call.Write({.method = "DELETE", .url = one}).status();
  const uint32_t ttl = change.after.empty() ? now.ttl_seconds : change.ttl_seconds;
  return call
      .Write({.method = now.records.empty() ? "POST" : "PUT",
              .url = one,
              .body = ToText(
                  {{"rrset_ttl", std::clamp(ttl, kMinTtl, kMaxTtl)}, {"rrset_values", values}})})
      .status();
}

// What the token says of itself needs no right of its own.
void GandiApi::Probe(ApiCall& call, const std::vector<HostedZone>&, ProviderTest& test) {
  const absl::StatusOr<HttpResponse> response = call.Read({.url = std::string(kTokenInfo)});
  const Json body = response.ok() ? ParseJson(response->body) : Json();
  const Json& scopes = MemberOf(body, "scope");
  if (!scopes.is_array())
    return TellNotKnown("the scopes of the token: it is not shown them", test);
  bool may_write = false;
  std::vector<std::string> excess;
  for (const Json& scope : scopes) {
    if (!scope.is_string()) continue;
    may_write = may_write || scope == kTechnical;
    if (scope != kTechnical && scope != kView) excess.push_back(scope.get<std::string>());
  }
  if (!may_write) {
    return TellMissing(
        "gandi: the token may not change records; let it manage the technical configuration of the "
        "domain (domain:tech)",
        test);
  }
  TellExcess(excess, test);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZoneApi>> OpenGandi(const HostedSettings&, Secret secret) {
  return std::make_unique<GandiApi>(std::move(secret));
}

}  // namespace dmarcate
