#include "policyd/provider/ns1/ns1_api.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/host_api.h"
#include "policyd/provider/api/record_steps.h"
#include "policyd/provider/api/url.h"

namespace dmarcate {
namespace {

constexpr std::string_view kBase = "https://api.nsone.net/v1";
constexpr std::string_view kNoRecord = "record not found";

std::string Set(const HostedZone& zone, const DomainName& owner) {
  return fmt::format("{}/zones/{}/{}/TXT", kBase, QueryEscape(zone.id), QueryEscape(owner.text()));
}
bool IsSet(const Json& object, const char* key) {
  const Json& value = MemberOf(object, key);
  return !value.is_null() && !value.empty() && value != "" && value != false;
}

class Ns1Api final : public TokenApi {
 public:
  explicit Ns1Api(Secret token)
      : TokenApi("ns1", ProviderClass::kC, "X-NSONE-Key", "", std::move(token)) {}

  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override {
    std::optional<ApiFailure> failure = FailureOfStatus(response.status);
    if (!failure) return std::nullopt;
    std::string said = StringAt(ParseJson(response.body), "message").value_or("");
    if (failure == ApiFailure::kRefused) {
      if (said.find("already exists") != std::string::npos) failure = ApiFailure::kConflict;
      if (said.find("CNAME") != std::string::npos) failure = ApiFailure::kNotHere;
    }
    return ApiError{*failure, std::move(said)};
  }
  absl::StatusOr<std::vector<HostedZone>> ListZones(ApiCall& call) override;
  absl::StatusOr<HostedRrSet> Read(ApiCall& call, const HostedZone& zone,
                                   const DomainName& owner) override;
  absl::Status Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                     const RrSetChange& change) override;
  void Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test) override;
};

// The query of the next page, of a Link header; the rest of that URL could lead elsewhere.
std::string NextQuery(std::string_view header) {
  for (const std::string_view part : Split(header, ',')) {
    if (part.find("rel=\"next\"") == std::string_view::npos) continue;
    const size_t question = part.find('?'), end = part.find('>');
    if (question == std::string_view::npos || end == std::string_view::npos || end < question) {
      continue;
    }
    return std::string(part.substr(question + 1, end - question - 1));
  }
  return "";
}

absl::StatusOr<std::vector<HostedZone>> Ns1Api::ListZones(ApiCall& call) {
  std::vector<HostedZone> zones;
  PageGuard guard;
  std::string query;
  do {
    DMARCATE_RETURN_IF_ERROR(guard.Next(query));
    DMARCATE_ASSIGN_OR_RETURN(
        const HttpResponse response,
        call.Read({.url = fmt::format("{}/zones{}{}", kBase, query.empty() ? "" : "?", query)}));
    const Json body = ParseJson(response.body);
    if (!body.is_array()) return NotUnderstood("no list of zones");
    for (const Json& zone : body) {
      const std::optional<std::string> name = StringAt(zone, "zone");
      if (!name) return NotUnderstood("zone without name");
      std::string read_only;
      if (BoolAt(MemberOf(zone, "secondary"), "enabled").value_or(false)) {
        read_only = "it is a secondary zone; change it at its primary";
      } else if (IsSet(zone, "link")) {
        read_only = "it is linked to another zone; change it there";
      }
      AddZone(zones, *name, *name, std::move(read_only));
    }
    query = NextQuery(response.Header("link").value_or(""));
    if (query.find_first_of("# \"'<\\") != std::string::npos) return NotUnderstood("a link");
  } while (!query.empty());
  return zones;
}

// A record's `raw` is its JSON: ids go back with it.
absl::StatusOr<HostedRrSet> Ns1Api::Read(ApiCall& call, const HostedZone& zone,
                                         const DomainName& owner) {
  HostedRrSet rrset;
  const absl::StatusOr<HttpResponse> response = call.Read({.url = Set(zone, owner)});
  if (response.status().code() == absl::StatusCode::kNotFound &&
      MessageOf(response.status()).find(kNoRecord) != std::string_view::npos) {
    return rrset;
  }
  if (!response.ok()) return response.status();
  const Json body = ParseJson(response->body);
  const std::optional<uint32_t> ttl = TtlAt(body, "ttl");
  const Json& answers = MemberOf(body, "answers");
  if (StringAt(body, "type") != "TXT" || !ttl || !answers.is_array()) {
    return NotUnderstood("no set");
  }
  constexpr char kSteering[] = "it steers traffic";
  for (const char* const key : {"filters", "regions", "meta"}) {
    if (IsSet(body, key)) rrset.refuse = fmt::format("{} ({})", kSteering, key);
  }
  if (IsSet(body, "link")) rrset.refuse = "it is linked to another set";
  if (NumberAt(body, "tier").value_or(1) > 1) rrset.refuse = fmt::format("{} (tier)", kSteering);
  for (const Json& answer : answers) {
    const Json& strings = MemberOf(answer, "answer");
    if (!strings.is_array() || strings.empty()) return NotUnderstood("answer without a text");
    if (IsSet(answer, "meta")) rrset.refuse = fmt::format("{} (meta)", kSteering);
    if (IsSet(answer, "region")) rrset.refuse = fmt::format("{} (region)", kSteering);
    std::string text;
    for (const Json& string : strings) {
      if (!string.is_string()) return NotUnderstood("answer that is no text");
      text += string.get<std::string>();
    }
    if (strings.size() > 1) rrset.refuse = "an answer has several parts";
    HostedRecord record = MakeHostedRecord(TxtForm::kRaw, "", std::move(text), *ttl);
    record.raw = ToText(answer);
    AddRecord(rrset, std::move(record));
  }
  return rrset;
}

absl::Status Ns1Api::Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                           const RrSetChange& change) {
  const auto encode = [](const TxtRecord& record) -> absl::StatusOr<std::string> {
    DMARCATE_ASSIGN_OR_RETURN(std::string text, EncodeTxt(TxtForm::kRaw, record));
    return ToText({{"answer", Json::array({std::move(text)})}});
  };
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<std::string> values,
                            KeepValues(now, change.after, encode));
  const std::string one = Set(zone, change.owner);
  if (values.empty()) return call.Write({.method = "DELETE", .url = one}).status();
  Json body = {{"zone", zone.id},
               {"domain", change.owner.text()},
               {"type", "TXT"},
               {"ttl", change.after.empty() ? now.ttl_seconds : change.ttl_seconds},
               {"answers", Json::array()}};
  for (const std::string& value : values) body["answers"].push_back(ParseJson(value));
  return call
      .Write({.method = now.records.empty() ? "PUT" : "POST", .url = one, .body = ToText(body)})
      .status();
}

// A key is not shown its own rights. But who may see the keys of the account may make any.
void Ns1Api::Probe(ApiCall& call, const std::vector<HostedZone>&, ProviderTest& test) {
  if (call.Read({.url = fmt::format("{}/account/apikeys", kBase)}).ok()) {
    TellExcess({"it manages API keys, so it can give itself every right"}, test);
  }
  TellNotKnown("whether it may write: this host shows no key its own rights", test);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZoneApi>> OpenNs1(const HostedSettings&, Secret secret) {
  return std::make_unique<Ns1Api>(std::move(secret));
}

}  // namespace dmarcate
