#include "policyd/provider/desec/desec_api.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/host_api.h"
#include "policyd/provider/api/record_steps.h"
#include "policyd/provider/api/url.h"

namespace dmarcate {
namespace {

constexpr std::string_view kBaseUrl = "https://desec.io/api/v1";
constexpr uint32_t kMaxTtl = 86'400;

// {detail}, {field: [...]}, or an array of such.
void Gather(const Json& body, std::string_view field, std::vector<std::string>& texts) {
  if (body.is_string()) {
    const std::string text = body.get<std::string>();
    const bool plain = field.empty() || field == "detail" || field == "non_field_errors";
    texts.push_back(plain ? text : fmt::format("{}: {}", field, text));
  } else if (body.is_object()) {
    for (const auto& [key, value] : body.items()) Gather(value, key, texts);
  } else if (body.is_array()) {
    for (const Json& value : body) Gather(value, field, texts);
  }
}

class DesecApi final : public TokenApi {
 public:
  explicit DesecApi(Secret token)
      : TokenApi("desec", ProviderClass::kC, "Authorization", "Token ", std::move(token)) {}

  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override {
    std::optional<ApiFailure> failure = FailureOfStatus(response.status);
    if (!failure) return std::nullopt;
    std::vector<std::string> texts;
    const Json body = ParseJson(response.body);
    if (!body.is_discarded()) Gather(body, "", texts);
    std::string said = Join(texts, "; ");
    if (failure == ApiFailure::kRefused) {
      if (said.find("Another RRset") != std::string::npos) failure = ApiFailure::kConflict;
      if (said.find("CNAME") != std::string::npos) failure = ApiFailure::kNotHere;
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
  std::string Domain(std::string_view name) const {
    return fmt::format("{}/domains/{}/", kBaseUrl, QueryEscape(name));
  }
  // All pages; `path` ends in '?' or '&'.
  absl::StatusOr<std::vector<Json>> List(ApiCall& call, std::string_view path);
};

// Of a Link header, the cursor of its part with rel="next". The rest of that URL is not used: it
// could lead elsewhere.
std::string NextCursor(std::string_view header) {
  for (const std::string_view part : Split(header, ',')) {
    if (part.find("rel=\"next\"") == std::string_view::npos) continue;
    const size_t at = part.find("cursor=");
    if (at == std::string_view::npos) continue;
    const std::string_view rest = part.substr(at + 7);
    return std::string(rest.substr(0, rest.find_first_of("&>")));
  }
  return "";
}

absl::StatusOr<std::vector<Json>> DesecApi::List(ApiCall& call, std::string_view path) {
  std::vector<Json> all;
  PageGuard guard;
  std::string cursor;  // as it came, escaped; none: the first page
  do {
    DMARCATE_RETURN_IF_ERROR(guard.Next(cursor));
    DMARCATE_ASSIGN_OR_RETURN(
        const HttpResponse response,
        call.Read({.url = fmt::format("{}{}cursor={}", kBaseUrl, path, cursor)}));
    const Json body = ParseJson(response.body);
    if (!body.is_array()) return NotUnderstood("no list");
    all.insert(all.end(), body.begin(), body.end());
    cursor = NextCursor(response.Header("link").value_or(""));
    if (cursor.find_first_of("# \"'<\\") != std::string::npos) return NotUnderstood("a cursor");
  } while (!cursor.empty());
  return all;
}

absl::StatusOr<std::vector<HostedZone>> DesecApi::ListZones(ApiCall& call) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Json> domains, List(call, "/domains/?"));
  std::vector<HostedZone> zones;
  for (const Json& domain : domains) {
    const std::optional<std::string> name = StringAt(domain, "name");
    if (!name) return NotUnderstood("domain without name");
    AddZone(zones, *name, *name);
  }
  return zones;
}

absl::StatusOr<std::vector<HostedZone>> DesecApi::FindZones(ApiCall& call, const DomainName& name) {
  return FindZoneAt(call, Domain(name.text()), name,
                    [](const Json& body) { return StringAt(body, "name"); });
}

absl::StatusOr<HostedRrSet> DesecApi::Read(ApiCall& call, const HostedZone& zone,
                                           const DomainName& owner) {
  const std::string subname = RelativeName(owner, zone.name, "");
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Json> sets,
                            List(call, fmt::format("/domains/{}/rrsets/?subname={}&type=TXT&",
                                                   QueryEscape(zone.id), QueryEscape(subname))));
  HostedRrSet rrset;
  for (const Json& set : sets) {
    if (StringAt(set, "subname") != subname || StringAt(set, "type") != "TXT") continue;
    const std::optional<uint32_t> ttl = TtlAt(set, "ttl");
    const Json& records = MemberOf(set, "records");
    if (!ttl || !records.is_array()) return NotUnderstood("set without TTL or records");
    for (const Json& record : records) {
      if (!record.is_string()) return NotUnderstood("record that is no text");
      AddRecord(rrset, MakeHostedRecord(TxtForm::kQuoted, "", record.get<std::string>(), *ttl));
    }
  }
  return rrset;
}

absl::Status DesecApi::Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                             const RrSetChange& change) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<std::string> values,
                            KeepValues(now, change.after, TxtForm::kQuoted));
  const std::string sets = Domain(zone.id) + "rrsets/";
  const std::string one =
      fmt::format("{}{}/TXT/", sets, QueryEscape(RelativeName(change.owner, zone.name, "@")));
  if (values.empty()) return call.Write({.method = "DELETE", .url = one}).status();
  Json body = {{"records", values}};
  if (!change.after.empty() && change.ttl_seconds != now.ttl_seconds) {
    DMARCATE_ASSIGN_OR_RETURN(const HttpResponse response, call.Read({.url = Domain(zone.id)}));
    const std::optional<uint32_t> least = TtlAt(ParseJson(response.body), "minimum_ttl");
    if (!least) return NotUnderstood("domain without a minimum TTL");
    body["ttl"] = std::clamp(change.ttl_seconds, std::min(*least, kMaxTtl), kMaxTtl);
  }
  if (!now.records.empty()) {
    return call.Write({.method = "PATCH", .url = one, .body = ToText(body)}).status();
  }
  body["subname"] = RelativeName(change.owner, zone.name, "");
  body["type"] = "TXT";
  return call.Write({.method = "POST", .url = sets, .body = ToText(body)}).status();
}

// Both are documented to be refused to a token that cannot do more than write records: a token with
// policies may not see the account, and only one with perm_manage_tokens the tokens.
void DesecApi::Probe(ApiCall& call, const std::vector<HostedZone>&, ProviderTest& test) {
  std::vector<std::string> excess;
  if (call.Read({.url = fmt::format("{}/auth/tokens/", kBaseUrl)}).ok()) {
    excess.emplace_back("it manages tokens, so it can free itself of every restriction");
  }
  if (call.Read({.url = fmt::format("{}/auth/account/", kBaseUrl)}).ok()) {
    excess.emplace_back(
        "no policy restricts it: it may write every record of every domain and see the account");
  } else {
    TellNotKnown("which records its policies let it write: no token is shown them", test);
  }
  TellExcess(excess, test);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZoneApi>> OpenDesec(const HostedSettings& /*settings*/,
                                                   Secret secret) {
  return std::make_unique<DesecApi>(std::move(secret));
}

}  // namespace dmarcate
