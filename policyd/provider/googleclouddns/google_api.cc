#include "policyd/provider/googleclouddns/google_api.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/bearer_token.h"
#include "policyd/provider/api/json.h"
#include "policyd/provider/api/record_steps.h"
#include "policyd/provider/api/url.h"
#include "policyd/provider/googleclouddns/jwt.h"

namespace dmarcate {
namespace {

constexpr std::string_view kBase = "https://dns.googleapis.com/dns/v1/projects";
constexpr std::string_view kScope = "https://www.googleapis.com/auth/ndev.clouddns.readwrite";
constexpr int64_t kTokenSeconds = 3600;
constexpr uint32_t kMaxTtl = 2'147'483'647;
constexpr absl::Duration kLeaveForReadBack = absl::Seconds(40);
constexpr absl::Duration kFirstPoll = absl::Seconds(1);
constexpr absl::Duration kQuotaWindow = absl::Minutes(1);

absl::Status Refuse(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, what);
}

// Letters, digits, '-', and of old ones "example.com:project".
bool IsProjectId(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':';
  });
}

class GoogleApi final : public ZoneApi {
 public:
  GoogleApi(std::string project, GoogleKeyFile key)
      : project_(std::move(project)),
        key_(std::move(key)),
        tokens_("googleclouddns: token", {key_.private_key.Reveal()}) {}

  ProviderClass provider_class() const override { return ProviderClass::kA; }
  std::string_view host() const override { return "googleclouddns"; }
  std::vector<std::string> Secrets() const override {
    return {key_.private_key.Reveal(), token_.Kept()};
  }
  absl::Status Authorize(ApiCall& call, HttpRequest& request) override;
  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override;

  absl::StatusOr<std::vector<HostedZone>> ListZones(ApiCall& call) override {
    return Zones(call, "");
  }
  absl::StatusOr<std::vector<HostedZone>> FindZones(ApiCall& call,
                                                    const DomainName& name) override {
    absl::StatusOr<std::vector<HostedZone>> zones =
        Zones(call, fmt::format("&dnsName={}", QueryEscape(name.ToFqdn())));
    if (zones.ok()) std::erase_if(*zones, [&](const HostedZone& z) { return z.name != name; });
    return zones;
  }
  absl::StatusOr<HostedRrSet> Read(ApiCall& call, const HostedZone& zone,
                                   const DomainName& owner) override;
  absl::Status Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                     const RrSetChange& change) override;
  void Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test) override;

 private:
  std::string ZoneUrl(std::string_view id) const {
    return fmt::format("{}/{}/managedZones/{}", kBase, QueryEscape(project_), QueryEscape(id));
  }
  absl::StatusOr<std::vector<HostedZone>> Zones(ApiCall& call, std::string_view filter);
  // All pages of a list; `url` has a query.
  absl::StatusOr<std::vector<Json>> List(ApiCall& call, std::string_view url, const char* member);
  void AwaitDone(ApiCall& call, const std::string& url) const;

  const std::string project_;
  const GoogleKeyFile key_;
  TokenDialect tokens_;
  BearerToken token_;
};

absl::Status GoogleApi::Authorize(ApiCall& call, HttpRequest& request) {
  DMARCATE_ASSIGN_OR_RETURN(
      const Secret token, token_.Get(call, [this](ApiCall& by) -> absl::StatusOr<HttpResponse> {
        const int64_t now = absl::ToUnixSeconds(by.world().clock.Now());
        const Json header = {{"alg", "RS256"}, {"typ", "JWT"}, {"kid", key_.private_key_id}};
        const Json claims = {{"iss", key_.client_email},
                             {"scope", kScope},
                             {"aud", key_.token_uri},
                             {"iat", now},
                             {"exp", now + kTokenSeconds}};
        DMARCATE_ASSIGN_OR_RETURN(const std::string assertion,
                                  SignJwtRs256(ToText(header), ToText(claims), key_.private_key));
        return by.ReadBy(tokens_, {.method = "POST",
                                   .url = key_.token_uri,
                                   .body = fmt::format(
                                       "grant_type={}&assertion={}",
                                       QueryEscape("urn:ietf:params:oauth:grant-type:jwt-bearer"),
                                       QueryEscape(assertion)),
                                   .content_type = "application/x-www-form-urlencoded"});
      }));
  request.headers.push_back({"Authorization", "Bearer " + token.Reveal()});
  return absl::OkStatus();
}

std::optional<ApiError> GoogleApi::ErrorOf(const HttpResponse& response) const {
  std::optional<ApiFailure> failure = FailureOfStatus(response.status);
  if (!failure) return std::nullopt;
  const Json body = ParseJson(response.body);
  const Json& error = MemberOf(body, "error");
  const Json& errors = MemberOf(error, "errors");
  const std::string reason =
      errors.is_array() && !errors.empty() ? StringAt(errors.front(), "reason").value_or("") : "";
  if (reason == "rateLimitExceeded" || reason == "userRateLimitExceeded" ||
      reason == "quotaExceeded") {
    failure = ApiFailure::kThrottled;
  } else if (reason == "cnameResourceRecordSetConflict") {
    failure = ApiFailure::kNotHere;
  }
  const std::string message = StringAt(error, "message").value_or("");
  ApiError out{*failure, reason.empty() ? message : fmt::format("{}: {}", reason, message)};
  // A quota is by the minute, and a host that says so seldom says how much of it is left.
  if (reason == "quotaExceeded") out.retry_after = kQuotaWindow;
  return out;
}

absl::StatusOr<std::vector<Json>> GoogleApi::List(ApiCall& call, std::string_view url,
                                                  const char* member) {
  std::vector<Json> all;
  PageGuard guard;
  std::string token;
  do {
    DMARCATE_RETURN_IF_ERROR(guard.Next(token));
    const std::string page = token.empty() ? "" : "&pageToken=" + QueryEscape(token);
    DMARCATE_ASSIGN_OR_RETURN(const HttpResponse response,
                              call.Read({.url = fmt::format("{}{}", url, page)}));
    const Json body = ParseJson(response.body);
    if (!body.is_object()) return NotUnderstood("no object");
    const Json& items = MemberOf(body, member);
    // An empty list may be left out.
    if (!items.is_array() && !items.is_null()) return NotUnderstood(fmt::format("no {}", member));
    if (items.is_array()) all.insert(all.end(), items.begin(), items.end());
    token = StringAt(body, "nextPageToken").value_or("");
  } while (!token.empty());
  return all;
}

absl::StatusOr<std::vector<HostedZone>> GoogleApi::Zones(ApiCall& call, std::string_view filter) {
  const std::string url =
      fmt::format("{}/{}/managedZones?maxResults=1000{}", kBase, QueryEscape(project_), filter);
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Json> results, List(call, url, "managedZones"));
  std::vector<HostedZone> zones;
  for (const Json& result : results) {
    const std::optional<std::string> id = StringAt(result, "name");
    const std::optional<std::string> name = StringAt(result, "dnsName");
    if (!id || id->empty() || !name) return NotUnderstood("zone without name or dnsName");
    if (StringAt(result, "visibility").value_or("public") != "public" ||
        MemberOf(result, "forwardingConfig").is_object() ||
        MemberOf(result, "peeringConfig").is_object()) {
      continue;
    }
    absl::StatusOr<DomainName> parsed = DomainName::Parse(*name);
    if (parsed.ok() && !parsed->IsRoot()) zones.push_back({*std::move(parsed), *id, ""});
  }
  return zones;
}

absl::StatusOr<HostedRrSet> GoogleApi::Read(ApiCall& call, const HostedZone& zone,
                                            const DomainName& owner) {
  const std::string url = fmt::format("{}/rrsets?name={}&type=TXT&maxResults=100", ZoneUrl(zone.id),
                                      QueryEscape(owner.ToFqdn()));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Json> sets, List(call, url, "rrsets"));
  HostedRrSet rrset;
  bool found = false;
  for (const Json& set : sets) {
    const absl::StatusOr<DomainName> name = DomainName::Parse(StringAt(set, "name").value_or(""));
    if (!name.ok() || *name != owner || StringAt(set, "type") != "TXT") continue;
    if (std::exchange(found, true)) return NotUnderstood("one set twice");
    const std::optional<uint32_t> ttl = TtlAt(set, "ttl");
    if (!ttl) return NotUnderstood("a set without ttl");
    rrset.ttl_seconds = *ttl;
    if (MemberOf(set, "routingPolicy").is_object()) rrset.refuse = "it has a routing policy";
    for (const Json& value : MemberOf(set, "rrdatas")) {
      if (!value.is_string()) return NotUnderstood("a value that is no text");
      HostedRecord record{.raw = value.get<std::string>()};
      if (absl::StatusOr<TxtRecord> txt = DecodeTxt(TxtForm::kQuoted, record.raw); txt.ok()) {
        record.txt = *std::move(txt);
      }
      rrset.records.push_back(std::move(record));
    }
  }
  return rrset;
}

absl::Status GoogleApi::Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                              const RrSetChange& change) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<std::string> values,
                            KeepValues(now, change.after, TxtForm::kQuoted));
  std::vector<std::string> stored;
  for (const HostedRecord& record : now.records) stored.push_back(record.raw);
  const auto set = [&](uint32_t ttl, const std::vector<std::string>& rrdatas) {
    return Json::array({{{"name", change.owner.ToFqdn()},
                         {"type", "TXT"},
                         {"ttl", std::min(ttl, kMaxTtl)},
                         {"rrdatas", rrdatas}}});
  };
  const uint32_t ttl = change.after.empty() ? now.ttl_seconds : change.ttl_seconds;
  Json body = Json::object();
  if (!stored.empty()) body["deletions"] = set(now.ttl_seconds, stored);
  if (!values.empty()) body["additions"] = set(ttl, values);
  const std::string url = ZoneUrl(zone.id) + "/changes";
  DMARCATE_ASSIGN_OR_RETURN(const HttpResponse response,
                            call.Write({.method = "POST", .url = url, .body = ToText(body)}));
  const Json accepted = ParseJson(response.body);
  const std::optional<std::string> id = IdAt(accepted, "id");
  if (!id) return MakeError(absl::StatusCode::kUnknown, "accepted, but no id of the change");
  if (StringAt(accepted, "status") != "done") {
    AwaitDone(call, fmt::format("{}/{}", url, QueryEscape(*id)));
  }
  return absl::OkStatus();
}

// The change is accepted; whether all servers show it, the authoritative servers say later anyway.
void GoogleApi::AwaitDone(ApiCall& call, const std::string& url) const {
  for (absl::Duration pause = kFirstPoll;
       call.TimeLeft() > kLeaveForReadBack + pause && call.Pause(pause); pause = pause * 3 / 2) {
    const absl::StatusOr<HttpResponse> response = call.Read({.url = url});
    if (!response.ok()) return;
    if (StringAt(ParseJson(response->body), "status") != "pending") return;
  }
}

void GoogleApi::Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test) {
  constexpr std::string_view kNeeded = "dns.changes.create";
  const std::vector<std::string> excess = {"dns.managedZones.delete", "dns.managedZones.update",
                                           "dns.managedZones.setIamPolicy"};
  Json asked = {kNeeded};
  for (const std::string& right : excess) asked.push_back(right);
  const absl::StatusOr<HttpResponse> response =
      call.Read({.method = "POST",
                 .url = ZoneUrl(zones.front().id) + ":testIamPermissions",
                 .body = ToText({{"permissions", asked}})});
  if (!response.ok()) return;  // not allowed to ask: no conclusion
  const Json body = ParseJson(response->body);
  bool may_change = false;
  std::vector<std::string> more;
  for (const Json& right : MemberOf(body, "permissions")) {
    if (right == kNeeded) may_change = true;
    if (right.is_string() && std::ranges::find(excess, right.get<std::string>()) != excess.end()) {
      more.push_back(right.get<std::string>());
    }
  }
  if (!may_change) {
    test.state = ProviderTest::State::kCredentialRefused;
    test.message = fmt::format("googleclouddns: the service account lacks {} on zone {}", kNeeded,
                               zones.front().name.text());
  }
  if (!more.empty()) {
    test.warnings.push_back(
        fmt::format("the service account may do more than is needed: {}", Join(more, ", ")));
  }
}

}  // namespace

absl::StatusOr<GoogleKeyFile> ParseGoogleKeyFile(std::string_view json) {
  const Json file = ParseJson(json);
  if (StringAt(file, "type") != "service_account") {
    return Refuse("secret: the key file of a service account (JSON) is wanted");
  }
  GoogleKeyFile key;
  key.client_email = StringAt(file, "client_email").value_or("");
  key.private_key_id = StringAt(file, "private_key_id").value_or("");
  key.project_id = StringAt(file, "project_id").value_or("");
  key.token_uri = StringAt(file, "token_uri").value_or("https://oauth2.googleapis.com/token");
  key.private_key = Secret(StringAt(file, "private_key").value_or(""));
  if (key.client_email.empty() || key.private_key.empty()) {
    return Refuse("secret: the key file has no client_email or no private_key");
  }
  const std::string host = HostOfUrl(key.token_uri);
  if (!key.token_uri.starts_with("https://") ||
      (host != "oauth2.googleapis.com" && host != "www.googleapis.com" &&
       host != "accounts.google.com")) {
    return Refuse("secret: the key file's token_uri is no host of Google's");
  }
  return key;
}

absl::StatusOr<std::unique_ptr<ZoneApi>> OpenGoogleCloudDns(const HostedSettings& settings,
                                                            Secret secret) {
  const auto given = settings.find("project");
  std::string project = given == settings.end() ? "" : given->second;
  if (!project.empty() && !IsProjectId(project)) {
    return Refuse("project: the id of a project is wanted, as \"mail-dns-1234\"");
  }
  GoogleKeyFile key;
  if (!secret.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(key, ParseGoogleKeyFile(secret.Reveal()));
    if (project.empty()) project = key.project_id;
    if (!IsProjectId(project)) return Refuse("project: the key file names none; give the setting");
  }
  return std::make_unique<GoogleApi>(std::move(project), std::move(key));
}

}  // namespace dmarcate
