#include "policyd/provider/hetzner/hetzner_api.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/host_api.h"
#include "policyd/provider/api/record_steps.h"
#include "policyd/provider/api/url.h"

namespace dmarcate {
namespace {

constexpr std::string_view kBase = "https://api.hetzner.cloud/v1";
constexpr std::string_view kNobodys = "_dmarcate-rights-test";  // no zone has such a name
constexpr size_t kPerPage = 50;
constexpr uint32_t kMinTtl = 60;
constexpr uint32_t kMaxTtl = 2'147'483'647;
// For the action to end; what is left of the call's time is for reading back.
constexpr absl::Duration kLeaveForReadBack = absl::Seconds(40);
constexpr absl::Duration kFirstPoll = absl::Seconds(1);
constexpr absl::Duration kLongestPoll = absl::Seconds(5);

ApiFailure FailureOf(std::string_view code, int http_status) {
  if (code == "unauthorized" || code == "forbidden" || code == "token_readonly") {
    return ApiFailure::kCredential;
  }
  if (code == "not_found") return ApiFailure::kMissing;
  if (code == "uniqueness_error") return ApiFailure::kConflict;
  // "Changed while it was handled" and "another action is running": nothing was done.
  if (code == "conflict" || code == "locked") return ApiFailure::kThrottled;
  if (code == "protected" || code == "incorrect_zone_mode") return ApiFailure::kNotHere;
  return FailureOfStatus(http_status).value_or(ApiFailure::kNonsense);
}

class HetznerApi final : public TokenApi {
 public:
  explicit HetznerApi(Secret token)
      : TokenApi("hetzner", ProviderClass::kC, "Authorization", "Bearer ", std::move(token)) {}

  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override {
    if (!FailureOfStatus(response.status)) return std::nullopt;
    const Json body = ParseJson(response.body);
    const Json& error = MemberOf(body, "error");
    const std::string code = StringAt(error, "code").value_or("");
    return ApiError{
        FailureOf(code, response.status),
        code.empty() ? "" : fmt::format("{}: {}", code, StringAt(error, "message").value_or(""))};
  }
  absl::StatusOr<std::vector<HostedZone>> ListZones(ApiCall& call) override {
    return Zones(call, "");
  }
  absl::StatusOr<std::vector<HostedZone>> FindZones(ApiCall& call,
                                                    const DomainName& name) override {
    return Zones(call, fmt::format("name={}&", QueryEscape(name.text())));
  }
  absl::StatusOr<HostedRrSet> Read(ApiCall& call, const HostedZone& zone,
                                   const DomainName& owner) override;
  absl::Status Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                     const RrSetChange& change) override;
  void Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test) override;

 private:
  absl::StatusOr<std::vector<HostedZone>> Zones(ApiCall& call, std::string_view filter);
  absl::StatusOr<std::vector<Json>> List(ApiCall& call, std::string_view path, const char* member);
  // Sends it and waits for its action.
  absl::Status Act(ApiCall& call, const ApiRequest& request);
};

absl::StatusOr<std::vector<Json>> HetznerApi::List(ApiCall& call, std::string_view path,
                                                   const char* member) {
  const auto pagination = [](const Json& body) -> const Json& {
    return MemberOf(MemberOf(body, "meta"), "pagination");
  };
  return ReadPages(
      call,
      {.url =
           [&](uint64_t page) {
             return fmt::format("{}{}page={}&per_page={}", kBase, path, page, kPerPage);
           },
       .member = member,
       .more = [&](const Json& body,
                   uint64_t) { return NumberAt(pagination(body), "next_page").has_value(); },
       .total = [&](const Json& body) { return NumberAt(pagination(body), "total_entries"); }});
}

absl::StatusOr<std::vector<HostedZone>> HetznerApi::Zones(ApiCall& call, std::string_view filter) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Json> results,
                            List(call, fmt::format("/zones?{}", filter), "zones"));
  std::vector<HostedZone> zones;
  for (const Json& result : results) {
    const std::optional<std::string> id = IdAt(result, "id");
    const std::optional<std::string> name = StringAt(result, "name");
    if (!id || !name) return NotUnderstood("zone without id or name");
    AddZone(zones, *name, *id,
            StringAt(result, "mode") == "secondary"
                ? "it is a secondary zone; change it at its primary"
                : "");
  }
  return zones;
}

// A record's `raw` is its JSON: comments go back with it.
absl::StatusOr<HostedRrSet> HetznerApi::Read(ApiCall& call, const HostedZone& zone,
                                             const DomainName& owner) {
  const std::string name = RelativeName(owner, zone.name, "@");
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Json> results,
                            List(call,
                                 fmt::format("/zones/{}/rrsets?name={}&type=TXT&",
                                             QueryEscape(zone.id), QueryEscape(name)),
                                 "rrsets"));
  HostedRrSet rrset;
  for (const Json& result : results) {
    if (StringAt(result, "name") != name || StringAt(result, "type") != "TXT") continue;
    const Json& records = MemberOf(result, "records");
    if (!records.is_array()) return NotUnderstood("set without records");
    std::optional<uint32_t> ttl = TtlAt(result, "ttl");
    if (!ttl) {  // null: the zone's
      DMARCATE_ASSIGN_OR_RETURN(
          const HttpResponse response,
          call.Read({.url = fmt::format("{}/zones/{}", kBase, QueryEscape(zone.id))}));
      ttl = TtlAt(MemberOf(ParseJson(response.body), "zone"), "ttl");
      if (!ttl) return NotUnderstood("neither the set nor the zone has a TTL");
    }
    for (const Json& record : records) {
      const std::optional<std::string> value = StringAt(record, "value");
      if (!value) return NotUnderstood("record without value");
      HostedRecord kept = MakeHostedRecord(TxtForm::kQuoted, "", *value, *ttl);
      kept.raw = ToText(record);
      AddRecord(rrset, std::move(kept));
    }
    if (BoolAt(MemberOf(result, "protection"), "change").value_or(false)) {
      rrset.refuse = "it is under change protection";
    }
  }
  return rrset;
}

absl::Status HetznerApi::Act(ApiCall& call, const ApiRequest& request) {
  DMARCATE_ASSIGN_OR_RETURN(HttpResponse response, call.Write(request));
  for (absl::Duration pause = kFirstPoll;; pause = std::min(pause * 2, kLongestPoll)) {
    const Json body = ParseJson(response.body);
    const Json& action = MemberOf(body, "action");
    const std::optional<std::string> id = IdAt(action, "id");
    const std::string status = StringAt(action, "status").value_or("");
    if (status == "success") return absl::OkStatus();
    if (status == "error") {
      const Json& error = MemberOf(action, "error");
      const std::string said = fmt::format("{}: {}", StringAt(error, "code").value_or(""),
                                           StringAt(error, "message").value_or(""));
      return MakeError(absl::StatusCode::kUnknown,
                       fmt::format("hetzner: the action failed: {}",
                                   EscapeForTerminal(ToValidUtf8(said.substr(0, 300)))));
    }
    if (!id || status != "running") return UnknownAnswer("no action");
    // Reading back decides what became of one that takes long or cannot be asked about.
    if (call.TimeLeft() < kLeaveForReadBack + pause || !call.Pause(pause)) return absl::OkStatus();
    absl::StatusOr<HttpResponse> then =
        call.Read({.url = fmt::format("{}/actions/{}", kBase, QueryEscape(*id))});
    if (!then.ok()) return absl::OkStatus();
    response = *std::move(then);
  }
}

absl::Status HetznerApi::Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                               const RrSetChange& change) {
  const auto encode = [](const TxtRecord& record) -> absl::StatusOr<std::string> {
    DMARCATE_ASSIGN_OR_RETURN(std::string value, EncodeTxt(TxtForm::kQuoted, record));
    return ToText({{"value", std::move(value)}});
  };
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<std::string> values,
                            KeepValues(now, change.after, encode));
  const std::string name = RelativeName(change.owner, zone.name, "@");
  const std::string sets = fmt::format("{}/zones/{}/rrsets", kBase, QueryEscape(zone.id));
  const std::string one = fmt::format("{}/{}/TXT", sets, QueryEscape(name));
  const uint32_t ttl = std::clamp(change.ttl_seconds, kMinTtl, kMaxTtl);
  if (values.empty()) return Act(call, {.method = "DELETE", .url = one});
  Json records = Json::array();
  for (const std::string& value : values) records.push_back(ParseJson(value));
  if (now.records.empty()) {
    const Json body = {{"name", name}, {"type", "TXT"}, {"ttl", ttl}, {"records", records}};
    return Act(call, {.method = "POST", .url = sets, .body = ToText(body)});
  }
  DMARCATE_RETURN_IF_ERROR(Act(call, {.method = "POST",
                                      .url = one + "/actions/set_records",
                                      .body = ToText({{"records", records}})}));
  if (change.after.empty() || ttl == now.ttl_seconds) return absl::OkStatus();
  return TakeLaterStep(call, "the records are set", [&] {
    return Act(
        call,
        {.method = "POST", .url = one + "/actions/change_ttl", .body = ToText({{"ttl", ttl}})});
  });
}

// A token that only reads may send nothing but GET (token_readonly): so it is asked to delete what
// is not there. A token reaches all of its project, servers included.
void HetznerApi::Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test) {
  const auto writable = std::ranges::find(zones, "", &HostedZone::read_only);
  if (writable == zones.end()) {
    TellNotKnown("whether the token may write: there is no zone to ask about", test);
  } else {
    const absl::StatusOr<HttpResponse> asked =
        call.Read({.method = "DELETE",
                   .url = fmt::format("{}/zones/{}/rrsets/{}/TXT", kBase, QueryEscape(writable->id),
                                      kNobodys)});
    if (asked.status().code() == absl::StatusCode::kPermissionDenied) {
      return TellMissing(
          fmt::format("the token may not change records: {}; make one with read and write",
                      MessageOf(asked.status())),
          test);
    }
    if (asked.status().code() != absl::StatusCode::kNotFound) {
      TellNotKnown("whether the token may write: the host did not say", test);
    }
  }
  const absl::StatusOr<HttpResponse> servers =
      call.Read({.url = fmt::format("{}/servers?page=1&per_page=1", kBase)});
  const Json body = servers.ok() ? ParseJson(servers->body) : Json();
  const Json& listed = MemberOf(body, "servers");
  if (listed.is_array() && !listed.empty()) {
    TellExcess({"it reaches the servers of its project; keep the zones in a project of their own"},
               test);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZoneApi>> OpenHetzner(const HostedSettings&, Secret secret) {
  return std::make_unique<HetznerApi>(std::move(secret));
}

}  // namespace dmarcate
