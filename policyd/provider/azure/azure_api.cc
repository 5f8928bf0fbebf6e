#include "policyd/provider/azure/azure_api.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/bearer_token.h"
#include "policyd/provider/api/json.h"
#include "policyd/provider/api/record_steps.h"
#include "policyd/provider/api/url.h"

namespace dmarcate {
namespace {

constexpr std::string_view kVersion = "api-version=2018-05-01";
constexpr std::string_view kPermissionsVersion = "api-version=2022-04-01";
constexpr uint32_t kMinTtl = 1;
constexpr uint32_t kMaxTtl = 2'147'483'647;

struct Cloud {
  std::string_view name, login, management;
};
constexpr Cloud kClouds[] = {
    {"public", "https://login.microsoftonline.com", "https://management.azure.com"},
    {"china", "https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn"},
    {"usgovernment", "https://login.microsoftonline.us", "https://management.usgovcloudapi.net"},
};

struct AzureSettings {
  Cloud cloud;
  std::string tenant_id, client_id, subscription_id, resource_group;
};

absl::Status Refuse(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, what);
}

// What a path may hold: ids, names of groups.
bool IsPlain(std::string_view text) {
  return !text.empty() && text.size() <= 90 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '(' || c == ')';
  });
}

std::string TextOf(const HostedSettings& settings, const std::string& key) {
  const auto found = settings.find(key);
  return found == settings.end() ? "" : found->second;
}

// The group in "/subscriptions/S/resourceGroups/GROUP/providers/...".
std::optional<std::string> GroupOf(std::string_view resource_id) {
  const std::vector<std::string_view> parts = Split(resource_id, '/');
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    if (EqualsIgnoreCase(parts[i], "resourceGroups") && IsPlain(parts[i + 1])) {
      return std::string(parts[i + 1]);
    }
  }
  return std::nullopt;
}

bool MatchesPattern(std::string_view pattern, std::string_view text) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return EqualsIgnoreCase(pattern, text);
  if (!StartsWithIgnoreCase(text, pattern.substr(0, star))) return false;
  const std::string_view rest = pattern.substr(star + 1);
  for (size_t at = star; at <= text.size(); ++at) {
    if (MatchesPattern(rest, text.substr(at))) return true;
  }
  return false;
}

std::vector<std::string> TextsAt(const Json& object, const char* key) {
  std::vector<std::string> texts;
  for (const Json& text : MemberOf(object, key)) {
    if (text.is_string() && text.get_ref<const std::string&>().size() <= 200) {
      texts.push_back(text.get<std::string>());
    }
  }
  return texts;
}

class AzureApi final : public ZoneApi {
 public:
  AzureApi(AzureSettings settings, Secret client_secret)
      : settings_(std::move(settings)),
        client_secret_(std::move(client_secret)),
        tokens_("azuredns: token",
                {client_secret_.Reveal(), QueryEscape(client_secret_.Reveal())}) {}

  ProviderClass provider_class() const override { return ProviderClass::kA; }
  std::string_view host() const override { return "azuredns"; }
  std::vector<std::string> Secrets() const override {
    return {client_secret_.Reveal(), token_.Kept()};
  }
  absl::Status Authorize(ApiCall& call, HttpRequest& request) override;
  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override;

  absl::StatusOr<std::vector<HostedZone>> ListZones(ApiCall& call) override;
  absl::StatusOr<HostedRrSet> Read(ApiCall& call, const HostedZone& zone,
                                   const DomainName& owner) override;
  absl::Status Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                     const RrSetChange& change) override;
  void Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test) override;

 private:
  std::string Subscription() const {
    return fmt::format("{}/subscriptions/{}", settings_.cloud.management,
                       settings_.subscription_id);
  }
  std::string ZoneUrl(const HostedZone& zone) const {
    return fmt::format("{}/resourceGroups/{}/providers/Microsoft.Network/dnsZones/{}",
                       Subscription(), QueryEscape(zone.id), QueryEscape(zone.name.text()));
  }
  std::string SetUrl(const HostedZone& zone, const DomainName& owner) const {
    return fmt::format("{}/TXT/{}?{}", ZoneUrl(zone),
                       QueryEscape(RelativeName(owner, zone.name, "@")), kVersion);
  }

  const AzureSettings settings_;
  const Secret client_secret_;
  TokenDialect tokens_;
  BearerToken token_;
};

absl::Status AzureApi::Authorize(ApiCall& call, HttpRequest& request) {
  DMARCATE_ASSIGN_OR_RETURN(const Secret token, token_.Get(call, [this](ApiCall& by) {
    return by.ReadBy(
        tokens_,
        {.method = "POST",
         .url = fmt::format("{}/{}/oauth2/v2.0/token", settings_.cloud.login, settings_.tenant_id),
         .body = fmt::format("grant_type=client_credentials&client_id={}&client_secret={}&scope={}",
                             QueryEscape(settings_.client_id), QueryEscape(client_secret_.Reveal()),
                             QueryEscape(fmt::format("{}/.default", settings_.cloud.management))),
         .content_type = "application/x-www-form-urlencoded"});
  }));
  request.headers.push_back({"Authorization", "Bearer " + token.Reveal()});
  return absl::OkStatus();
}

std::optional<ApiError> AzureApi::ErrorOf(const HttpResponse& response) const {
  std::optional<ApiFailure> failure = FailureOfStatus(response.status);
  if (!failure) return std::nullopt;
  const Json body = ParseJson(response.body);
  const Json& error = MemberOf(body, "error").is_object() ? MemberOf(body, "error") : body;
  const std::string code = StringAt(error, "code").value_or("");
  const std::string message = StringAt(error, "message").value_or("");
  const bool client_error = response.status >= 400 && response.status < 500;
  if (code == "ScopeLocked" || (client_error && message.find("CNAME") != std::string::npos)) {
    failure = ApiFailure::kNotHere;
  }
  return ApiError{*failure, code.empty() ? "" : fmt::format("{}: {}", code, message)};
}

absl::StatusOr<std::vector<HostedZone>> AzureApi::ListZones(ApiCall& call) {
  std::string url =
      settings_.resource_group.empty()
          ? fmt::format("{}/providers/Microsoft.Network/dnszones?{}", Subscription(), kVersion)
          : fmt::format("{}/resourceGroups/{}/providers/Microsoft.Network/dnsZones?{}",
                        Subscription(), QueryEscape(settings_.resource_group), kVersion);
  std::vector<HostedZone> zones;
  PageGuard guard;
  while (!url.empty()) {
    DMARCATE_RETURN_IF_ERROR(guard.Next(url));
    DMARCATE_ASSIGN_OR_RETURN(const HttpResponse response, call.Read({.url = url}));
    const Json body = ParseJson(response.body);
    if (!MemberOf(body, "value").is_array()) return NotUnderstood("no list of zones");
    for (const Json& zone : MemberOf(body, "value")) {
      const std::optional<std::string> name = StringAt(zone, "name");
      const std::optional<std::string> group = GroupOf(StringAt(zone, "id").value_or(""));
      if (!name || !group) return NotUnderstood("zone without name or id");
      if (StringAt(MemberOf(zone, "properties"), "zoneType") == "Private") continue;
      absl::StatusOr<DomainName> parsed = DomainName::Parse(*name);
      if (parsed.ok() && !parsed->IsRoot()) zones.push_back({*std::move(parsed), *group, ""});
    }
    url = StringAt(body, "nextLink").value_or("");
    // The token goes along.
    if (!url.empty() && OriginOf(url) != settings_.cloud.management) {
      return NotUnderstood("the next page is at another host");
    }
  }
  return zones;
}

absl::StatusOr<HostedRrSet> AzureApi::Read(ApiCall& call, const HostedZone& zone,
                                           const DomainName& owner) {
  const absl::StatusOr<HttpResponse> response = call.Read({.url = SetUrl(zone, owner)});
  if (!response.ok()) {
    // The set is missing, or the zone, or the group. The code for that is NotFound as a rule and
    // ResourceNotFound by the description, so it is told by the text.
    const bool only_the_set =
        response.status().code() == absl::StatusCode::kNotFound &&
        MessageOf(response.status()).find("The resource record") != std::string_view::npos;
    if (only_the_set) return HostedRrSet{};
    return response.status();
  }
  const Json body = ParseJson(response->body);
  const Json& properties = MemberOf(body, "properties");
  const std::optional<std::string> etag = StringAt(body, "etag");
  const std::optional<uint32_t> ttl = TtlAt(properties, "TTL");
  if (!etag || etag->empty() || !ttl) return NotUnderstood("a set without etag or TTL");
  HostedRrSet rrset;
  rrset.ttl_seconds = *ttl;
  rrset.guard = ToText({{"etag", *etag}, {"metadata", MemberOf(properties, "metadata")}});
  if (StringAt(MemberOf(properties, "targetResource"), "id").has_value()) {
    rrset.refuse = "it is an alias of another resource";
  }
  for (const Json& txt : MemberOf(properties, "TXTRecords")) {
    const Json& value = MemberOf(txt, "value");
    if (!value.is_array()) return NotUnderstood("a record without value");
    HostedRecord record{.raw = ToText(value)};
    const bool texts =
        std::ranges::all_of(value, [](const Json& string) { return string.is_string(); });
    if (texts) {
      absl::StatusOr<TxtRecord> decoded = DecodeTxtStrings(value.get<std::vector<std::string>>());
      if (decoded.ok()) record.txt = *std::move(decoded);
    }
    rrset.records.push_back(std::move(record));
  }
  return rrset;
}

absl::Status AzureApi::Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                             const RrSetChange& change) {
  DMARCATE_ASSIGN_OR_RETURN(
      const std::vector<std::string> values,
      KeepValues(now, change.after, [](const TxtRecord& record) -> absl::StatusOr<std::string> {
        DMARCATE_ASSIGN_OR_RETURN(const std::vector<std::string> strings, EncodeTxtStrings(record));
        return ToText(strings);
      }));
  const Json guard = ParseJson(now.guard);
  const std::string etag = StringAt(guard, "etag").value_or("");
  ApiRequest request{.method = "PUT", .url = SetUrl(zone, change.owner)};
  request.headers = etag.empty() ? std::vector<HttpHeader>{{"If-None-Match", "*"}}
                                 : std::vector<HttpHeader>{{"If-Match", etag}};
  if (values.empty()) {
    request.method = "DELETE";
    return call.Write(request).status();
  }
  const uint32_t ttl = change.after.empty() ? now.ttl_seconds : change.ttl_seconds;
  Json properties = {{"TTL", std::clamp(ttl, kMinTtl, kMaxTtl)}, {"TXTRecords", Json::array()}};
  for (const std::string& value : values) {
    properties["TXTRecords"].push_back({{"value", ParseJson(value)}});
  }
  // A PUT without it would drop it.
  if (MemberOf(guard, "metadata").is_object()) {
    properties["metadata"] = MemberOf(guard, "metadata");
  }
  request.body = ToText({{"properties", properties}});
  return call.Write(request).status();
}

void AzureApi::Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test) {
  const absl::StatusOr<HttpResponse> response =
      call.Read({.url = fmt::format("{}/providers/Microsoft.Authorization/permissions?{}",
                                    ZoneUrl(zones.front()), kPermissionsVersion)});
  if (!response.ok()) return;  // not allowed to ask: no conclusion
  const Json body = ParseJson(response->body);
  const auto allows = [&body](std::string_view action) {
    return std::ranges::any_of(MemberOf(body, "value"), [&](const Json& role) {
      return AzureAllows(TextsAt(role, "actions"), TextsAt(role, "notActions"), action);
    });
  };
  for (const std::string_view right :
       {"Microsoft.Network/dnsZones/TXT/write", "Microsoft.Network/dnsZones/TXT/delete"}) {
    if (allows(right)) continue;
    test.state = ProviderTest::State::kCredentialRefused;
    test.message =
        fmt::format("azuredns: the app lacks {} on zone {}", right, zones.front().name.text());
  }
  std::vector<std::string> excess;
  for (const std::string right :
       {"Microsoft.Network/dnsZones/delete", "Microsoft.Network/dnsZones/MX/write",
        "Microsoft.Authorization/roleAssignments/write"}) {
    if (allows(right)) excess.push_back(right);
  }
  if (!excess.empty()) {
    test.warnings.push_back(
        fmt::format("the app may do more than is needed: {}", Join(excess, ", ")));
  }
}

}  // namespace

bool AzureAllows(const std::vector<std::string>& actions,
                 const std::vector<std::string>& not_actions, std::string_view action) {
  const auto matches = [action](const std::string& pattern) {
    // A star more than that is no role of Azure's, and each one costs.
    return std::ranges::count(pattern, '*') <= 3 && MatchesPattern(pattern, action);
  };
  return std::ranges::any_of(actions, matches) && std::ranges::none_of(not_actions, matches);
}

absl::StatusOr<std::unique_ptr<ZoneApi>> OpenAzureDns(const HostedSettings& settings,
                                                      Secret secret) {
  AzureSettings parsed;
  const std::string name = TextOf(settings, "cloud");
  const auto* const cloud =
      std::ranges::find(kClouds, name.empty() ? std::string_view("public") : name, &Cloud::name);
  if (cloud == std::end(kClouds)) return Refuse("cloud: public, china or usgovernment is wanted");
  parsed.cloud = *cloud;
  parsed.tenant_id = TextOf(settings, "tenant_id");
  parsed.client_id = TextOf(settings, "client_id");
  parsed.subscription_id = TextOf(settings, "subscription_id");
  parsed.resource_group = TextOf(settings, "resource_group");
  if (!IsPlain(parsed.tenant_id)) return Refuse("tenant_id: the directory's id is wanted");
  if (!IsPlain(parsed.client_id)) return Refuse("client_id: the app registration's id is wanted");
  if (!IsPlain(parsed.subscription_id)) return Refuse("subscription_id: an id is wanted");
  if (!parsed.resource_group.empty() && !IsPlain(parsed.resource_group)) {
    return Refuse("resource_group: the name of a group is wanted");
  }
  return std::make_unique<AzureApi>(std::move(parsed), std::move(secret));
}

}  // namespace dmarcate
