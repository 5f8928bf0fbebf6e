#include "policyd/provider/linode/linode_api.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/host_api.h"
#include "policyd/provider/api/record_steps.h"
#include "policyd/provider/api/url.h"

namespace dmarcate {
namespace {

constexpr std::string_view kBase = "https://api.linode.com/v4";
constexpr size_t kPerPage = 500;
constexpr uint32_t kDefaultTtl = 86'400;
constexpr uint32_t kTtls[] = {300,    3600,    7200,    14'400,  28'800,    57'600,
                              86'400, 172'800, 345'600, 604'800, 1'209'600, 2'419'200};

// The host would round up itself.
uint32_t Allowed(uint32_t ttl) {
  const auto* const up = std::ranges::lower_bound(kTtls, ttl);
  return up == std::end(kTtls) ? *std::prev(std::end(kTtls)) : *up;
}

class LinodeApi final : public TokenApi {
 public:
  explicit LinodeApi(Secret token)
      : TokenApi("linode", ProviderClass::kB, "Authorization", "Bearer ", std::move(token)) {}

  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override;
  absl::StatusOr<std::vector<HostedZone>> ListZones(ApiCall& call) override;
  absl::StatusOr<HostedRrSet> Read(ApiCall& call, const HostedZone& zone,
                                   const DomainName& owner) override;
  absl::Status Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                     const RrSetChange& change) override;
  void Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test) override;

 private:
  absl::StatusOr<std::vector<Json>> List(ApiCall& call, const std::string& url) {
    return ReadPages(
        call, {.url =
                   [&](uint64_t page) {
                     return fmt::format("{}?page={}&page_size={}", url, page, kPerPage);
                   },
               .more = [](const Json& body,
                          uint64_t page) { return NumberAt(body, "pages").value_or(1) > page; },
               .total = [](const Json& body) { return NumberAt(body, "results"); }});
  }
};

std::optional<ApiError> LinodeApi::ErrorOf(const HttpResponse& response) const {
  std::optional<ApiFailure> failure = FailureOfStatus(response.status);
  if (!failure) return std::nullopt;
  std::vector<std::string> texts;
  const Json body = ParseJson(response.body);
  const Json& errors = MemberOf(body, "errors");
  if (errors.is_array()) {
    for (const Json& error : errors) {
      const std::string field = StringAt(error, "field").value_or("");
      texts.push_back(fmt::format("{}{}{}", field, field.empty() ? "" : ": ",
                                  StringAt(error, "reason").value_or("")));
    }
  }
  std::string said = Join(texts, "; ");
  if (failure == ApiFailure::kRefused && said.find("CNAME") != std::string::npos) {
    failure = ApiFailure::kNotHere;
  }
  return ApiError{*failure, std::move(said)};
}

absl::StatusOr<std::vector<HostedZone>> LinodeApi::ListZones(ApiCall& call) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Json> domains,
                            List(call, fmt::format("{}/domains", kBase)));
  std::vector<HostedZone> zones;
  for (const Json& domain : domains) {
    const std::optional<std::string> id = IdAt(domain, "id");
    const std::optional<std::string> name = StringAt(domain, "domain");
    const std::optional<std::string> type = StringAt(domain, "type");
    if (!id || !name || !type) return NotUnderstood("domain without id, name or type");
    AddZone(zones, *name, *id,
            *type == "master" ? "" : "it is a secondary zone; change it at its primary");
  }
  return zones;
}

absl::StatusOr<HostedRrSet> LinodeApi::Read(ApiCall& call, const HostedZone& zone,
                                            const DomainName& owner) {
  DMARCATE_ASSIGN_OR_RETURN(
      const std::vector<Json> results,
      List(call, fmt::format("{}/domains/{}/records", kBase, QueryEscape(zone.id))));
  HostedRrSet rrset;
  for (const Json& result : results) {
    if (StringAt(result, "type") != "TXT") continue;
    const std::optional<std::string> id = IdAt(result, "id");
    const std::optional<std::string> name = StringAt(result, "name");
    const std::optional<std::string> target = StringAt(result, "target");
    const std::optional<uint32_t> ttl = TtlAt(result, "ttl_sec");
    if (!id || !name || !target || !ttl) return NotUnderstood("record without a member");
    if (AsciiLower(*name) != RelativeName(owner, zone.name, "")) continue;
    AddRecord(rrset, MakeHostedRecord(TxtForm::kRaw, *id, *target, *ttl == 0 ? kDefaultTtl : *ttl));
  }
  return rrset;
}

absl::Status LinodeApi::Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                              const RrSetChange& change) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<RecordStep> steps,
                            PlanRecordSteps(now, change.after, TxtForm::kRaw));
  const std::string records = fmt::format("{}/domains/{}/records", kBase, QueryEscape(zone.id));
  const uint32_t ttl = Allowed(change.ttl_seconds);
  return TakeRecordSteps(call, steps, [&](const RecordStep& step) -> absl::Status {
    const std::string one = fmt::format("{}/{}", records, QueryEscape(step.id));
    if (step.kind == RecordStep::Kind::kDelete) {
      return call.Write({.method = "DELETE", .url = one}).status();
    }
    Json body = {{"target", step.value}};
    if (step.kind == RecordStep::Kind::kUpdate) {
      const auto old = std::ranges::find(now.records, step.id, &HostedRecord::id);
      if (old->ttl_seconds != ttl) body["ttl_sec"] = ttl;
      return call.Write({.method = "PUT", .url = one, .body = ToText(body)}).status();
    }
    body["type"] = "TXT";
    body["name"] = RelativeName(change.owner, zone.name, "");
    body["ttl_sec"] = ttl;
    DMARCATE_ASSIGN_OR_RETURN(const HttpResponse response,
                              call.Write({.method = "POST", .url = records, .body = ToText(body)}));
    // Observed: a creation may pass the TTL over.
    const Json created = ParseJson(response.body);
    const std::optional<std::string> id = IdAt(created, "id");
    if (!id) return UnknownAnswer("record without id");
    if (TtlAt(created, "ttl_sec") == ttl) return absl::OkStatus();
    return TakeLaterStep(call, "the record is created", [&] {
      return call
          .Write({.method = "PUT",
                  .url = fmt::format("{}/{}", records, QueryEscape(*id)),
                  .body = ToText({{"ttl_sec", ttl}})})
          .status();
    });
  });
}

// Every answer says what the token may do: "domains:read_write linodes:read_only", or "*".
void LinodeApi::Probe(ApiCall& call, const std::vector<HostedZone>&, ProviderTest& test) {
  const absl::StatusOr<HttpResponse> response =
      call.Read({.url = fmt::format("{}/domains?page=1&page_size={}", kBase, kPerPage)});
  if (!response.ok()) return;
  const std::string header(response->Header("x-oauth-scopes").value_or(""));
  if (header.empty()) return;
  bool may_write = false;
  std::vector<std::string> excess;
  for (const std::string_view scope : Split(header, ' ')) {
    if (scope.empty() || scope == "domains:read_only") continue;
    const bool domains = scope == "domains:read_write";
    may_write = may_write || domains || scope == "*";
    if (!domains) excess.emplace_back(scope);
  }
  if (!may_write) {
    test.state = ProviderTest::State::kCredentialRefused;
    test.message = "linode: the token may not change records; give it the scope domains:read_write";
  }
  if (!excess.empty()) {
    test.warnings.push_back(fmt::format("the token may do more than is needed: {}",
                                        EscapeForTerminal(Join(excess, ", "))));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZoneApi>> OpenLinode(const HostedSettings&, Secret secret) {
  return std::make_unique<LinodeApi>(std::move(secret));
}

}  // namespace dmarcate
