#include "policyd/provider/powerdns/powerdns_provider.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/scrub.h"
#include "policyd/provider/api/url.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(10);  // of one exchange
constexpr size_t kAnswerLimitBytes = size_t{32} << 20;   // a server that ignores the filters

}  // namespace

HttpRequest PowerDnsProvider::MakeRequest(std::string_view method,
                                          std::string_view path_and_query) const {
  HttpRequest request;
  request.method = std::string(method);
  request.url = fmt::format("{}{}", endpoint_.ServerUrl(), path_and_query);
  request.headers = {{"X-API-Key", api_key_.Reveal()}, {"Accept", "application/json"}};
  request.deadline = kDeadline;
  request.response_limit_bytes = kAnswerLimitBytes;
  return request;
}

absl::Status PowerDnsProvider::Error(const HttpResponse& response, HttpAccess access) const {
  return ScrubStatus(PowerDnsError(response, access), {api_key_.Reveal()});
}

absl::StatusOr<std::string> PowerDnsProvider::Get(std::string_view path_and_query) {
  absl::StatusOr<HttpResponse> response = http_.Send(MakeRequest("GET", path_and_query));
  if (!response.ok()) {
    // Reading changes nothing, whatever became of it.
    const absl::StatusCode code = response.status().code();
    if (code == absl::StatusCode::kUnknown) {
      return MakeError(absl::StatusCode::kUnavailable, MessageOf(response.status()));
    }
    if (code == absl::StatusCode::kResourceExhausted) {
      return MakeError(absl::StatusCode::kDataLoss, MessageOf(response.status()));
    }
    return response.status();
  }
  DMARCATE_RETURN_IF_ERROR(Error(*response, HttpAccess::kRead));
  return std::move(response->body);
}

absl::Status PowerDnsProvider::Patch(const DomainName& zone, std::string body) {
  HttpRequest request = MakeRequest("PATCH", fmt::format("/zones/{}", PowerDnsZoneId(zone)));
  request.headers.push_back({"Content-Type", "application/json"});
  request.body = std::move(body);
  const absl::StatusOr<HttpResponse> response = http_.Send(request);
  if (response.ok()) return Error(*response, HttpAccess::kWrite);
  if (response.status().code() == absl::StatusCode::kResourceExhausted) {
    return MakeError(absl::StatusCode::kUnknown, MessageOf(response.status()));
  }
  return response.status();
}

absl::StatusOr<PowerDnsZone> PowerDnsProvider::GetZone(const DomainName& zone,
                                                       const DomainName& owner) {
  const std::string path = fmt::format("/zones/{}?rrset_name={}&rrset_type=TXT",
                                       PowerDnsZoneId(zone), QueryEscape(owner.ToFqdn()));
  const absl::StatusOr<std::string> body = Get(path);
  if (!body.ok()) return Annotate(body.status(), fmt::format("zone {}: powerdns", zone.text()));
  absl::StatusOr<PowerDnsZone> parsed = ParsePowerDnsZone(*body, owner);
  if (!parsed.ok()) {
    return Annotate(parsed.status(), fmt::format("zone {}: powerdns", zone.text()));
  }
  return parsed;
}

absl::StatusOr<DomainName> PowerDnsProvider::FindZone(const DomainName& owner) {
  for (DomainName candidate = owner; !candidate.IsRoot(); candidate = candidate.Parent()) {
    const absl::StatusOr<std::string> body =
        Get(fmt::format("/zones?zone={}&dnssec=false", QueryEscape(candidate.ToFqdn())));
    if (!body.ok()) return Annotate(body.status(), "powerdns");
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<DomainName> zones, ParsePowerDnsZoneNames(*body));
    if (std::ranges::find(zones, candidate) != zones.end()) return candidate;
  }
  return MakeError(absl::StatusCode::kNotFound,
                   fmt::format("powerdns: no zone of this server holds {}", owner.text()));
}

absl::StatusOr<std::vector<DomainName>> PowerDnsProvider::ListZones() {
  const absl::StatusOr<std::string> body = Get("/zones?dnssec=false");
  if (!body.ok()) return Annotate(body.status(), "powerdns");
  DMARCATE_ASSIGN_OR_RETURN(std::vector<DomainName> zones, ParsePowerDnsZoneNames(*body));
  std::ranges::sort(zones);
  return zones;
}

absl::StatusOr<RrSet> PowerDnsProvider::ReadRrSet(const DomainName& zone, const DomainName& owner) {
  DMARCATE_ASSIGN_OR_RETURN(PowerDnsZone found, GetZone(zone, owner));
  if (found.served.empty()) return RrSet{};
  return RrSet{std::move(found.served), found.ttl_seconds};
}

absl::Status PowerDnsProvider::Apply(const DomainName& zone, const RrSetChange& change) {
  const std::string context = fmt::format("zone {}: powerdns", zone.text());
  DMARCATE_ASSIGN_OR_RETURN(const PowerDnsZone now, GetZone(zone, change.owner));
  if (!now.IsWritable()) {
    // Accepted by the API, and lost with the next transfer.
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("{}: the zone is {} here; change it at its primary", context,
                                 EscapeForTerminal(now.kind)));
  }
  if (SameTexts(now.served, change.after)) return absl::OkStatus();
  if (!SameTexts(now.served, change.before)) {
    return MakeError(absl::StatusCode::kAborted, fmt::format("{}: {} no longer holds what was read",
                                                             context, change.owner.text()));
  }
  const uint32_t ttl = change.after.empty() ? now.ttl_seconds : change.ttl_seconds;
  const absl::Status written =
      Patch(zone, MakePowerDnsPatch(change.owner, ttl, change.after, now.disabled));
  if (!written.ok()) return Annotate(written, context);

  const absl::StatusOr<PowerDnsZone> then = GetZone(zone, change.owner);
  if (!then.ok()) {
    return MakeError(absl::StatusCode::kUnknown,
                     fmt::format("{}: accepted, then: {}", context, MessageOf(then.status())));
  }
  if (!SameTexts(then->served, change.after)) {
    return MakeError(
        absl::StatusCode::kUnknown,
        fmt::format("{}: accepted, but {} does not hold it", context, change.owner.text()));
  }
  return absl::OkStatus();
}

ProviderTest PowerDnsProvider::Test() {
  ProviderTest test;
  absl::StatusOr<std::vector<DomainName>> zones = ListZones();
  if (!zones.ok()) {
    test = FailedTest(zones.status());
    if (zones.status().code() == absl::StatusCode::kNotFound) {
      test.message += "; is the server's id another one than the account's?";
    }
    return test;
  }
  test.state = ProviderTest::State::kWorking;
  test.zones = *std::move(zones);
  test.message = fmt::format("the API answers and knows {} zones", test.zones.size());
  test.warnings.push_back(
      fmt::format("the API key can change all {} zones of this server", test.zones.size()));
  return test;
}

}  // namespace dmarcate
