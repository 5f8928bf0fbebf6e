#include "policyd/provider/cloudflare/cloudflare_api.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/json.h"
#include "policyd/provider/api/record_steps.h"
#include "policyd/provider/api/url.h"

namespace dmarcate {
namespace {

constexpr std::string_view kBase = "https://api.cloudflare.com/client/v4";
constexpr size_t kZonesPerPage = 50;
constexpr size_t kRecordsPerPage = 100;
constexpr uint32_t kAutomaticTtl = 1;
constexpr uint32_t kServedForAutomatic = 300;
constexpr uint32_t kMinTtl = 60;
constexpr uint32_t kMaxTtl = 86'400;
constexpr absl::Duration kExpirySoon = absl::Hours(24 * 30);

ApiFailure FailureOfCode(uint64_t code, int http_status) {
  switch (code) {
    case 6003:   // invalid request headers
    case 6111:   // invalid format for the Authorization header
    case 9109:   // unauthorized to access the requested resource
    case 10000:  // authentication error
      return ApiFailure::kCredential;
    case 7003:   // could not route: no such zone
    case 81044:  // no such record
      return ApiFailure::kMissing;
    case 81057:  // the record exists already
    case 81058:  // an identical record exists already
      return ApiFailure::kConflict;
    case 81053:  // an A, AAAA or CNAME record with that host exists
    case 81054:  // a CNAME record with that host exists
      return ApiFailure::kNotHere;
    case 971:
      return ApiFailure::kThrottled;
    default:
      break;
  }
  return FailureOfStatus(http_status).value_or(ApiFailure::kNonsense);
}

std::string ErrorsOf(const Json& body) {
  std::vector<std::string> texts;
  const auto add = [&texts](const Json& error) {
    texts.push_back(fmt::format("{}: {}", NumberAt(error, "code").value_or(0),
                                StringAt(error, "message").value_or("")));
  };
  for (const Json& error : MemberOf(body, "errors")) {
    add(error);
    for (const Json& inner : MemberOf(error, "error_chain")) add(inner);
  }
  return Join(texts, "; ");
}

uint32_t Allowed(uint32_t ttl) { return std::clamp(ttl, kMinTtl, kMaxTtl); }

class CloudflareApi final : public ZoneApi {
 public:
  explicit CloudflareApi(Secret token) : token_(std::move(token)) {}

  ProviderClass provider_class() const override { return ProviderClass::kB; }
  std::string_view host() const override { return "cloudflare"; }
  std::vector<std::string> Secrets() const override { return {token_.Reveal()}; }

  absl::Status Authorize(ApiCall&, HttpRequest& request) override {
    request.headers.push_back({"Authorization", "Bearer " + token_.Reveal()});
    return absl::OkStatus();
  }

  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override {
    const Json body = ParseJson(response.body);
    const std::optional<ApiFailure> by_status = FailureOfStatus(response.status);
    // A deletion's answer has no `success`.
    const bool success = body.is_object() && BoolAt(body, "success").value_or(true);
    if (!by_status && success) return std::nullopt;
    const Json& errors = MemberOf(body, "errors");
    const uint64_t code =
        errors.is_array() && !errors.empty() ? NumberAt(errors.front(), "code").value_or(0) : 0;
    return ApiError{FailureOfCode(code, response.status), ErrorsOf(body)};
  }

  absl::StatusOr<std::vector<HostedZone>> ListZones(ApiCall& call) override {
    return Zones(call, "");
  }
  absl::StatusOr<std::vector<HostedZone>> FindZones(ApiCall& call,
                                                    const DomainName& name) override {
    return Zones(call, fmt::format("&name={}", QueryEscape(name.text())));
  }
  absl::StatusOr<HostedRrSet> Read(ApiCall& call, const HostedZone& zone,
                                   const DomainName& owner) override;
  absl::Status Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                     const RrSetChange& change) override;
  void Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test) override;

 private:
  absl::StatusOr<std::vector<HostedZone>> Zones(ApiCall& call, std::string_view filter);
  // All pages of a list; `path` ends in a query.
  absl::StatusOr<std::vector<Json>> List(ApiCall& call, std::string_view path, size_t per_page);

  const Secret token_;
};

absl::StatusOr<std::vector<Json>> CloudflareApi::List(ApiCall& call, std::string_view path,
                                                      size_t per_page) {
  std::vector<Json> all;
  PageGuard guard;
  for (uint64_t page = 1;; ++page) {
    DMARCATE_RETURN_IF_ERROR(guard.Next(std::to_string(page)));
    DMARCATE_ASSIGN_OR_RETURN(
        const HttpResponse response,
        call.Read({.url = fmt::format("{}{}&page={}&per_page={}", kBase, path, page, per_page)}));
    const Json body = ParseJson(response.body);
    const Json& result = MemberOf(body, "result");
    if (!result.is_array()) return NotUnderstood("no list of results");
    all.insert(all.end(), result.begin(), result.end());
    const Json& info = MemberOf(body, "result_info");
    const uint64_t pages = NumberAt(info, "total_pages").value_or(1);
    if (page < pages) {
      if (result.empty()) return NotUnderstood("an empty page before the last");
      continue;
    }
    // A list that changed meanwhile, or one that was cut: both are no list to conclude from.
    const uint64_t total = NumberAt(info, "total_count").value_or(all.size());
    if (total != all.size()) {
      return NotUnderstood(fmt::format("{} of {} results were sent", all.size(), total));
    }
    return all;
  }
}

absl::StatusOr<std::vector<HostedZone>> CloudflareApi::Zones(ApiCall& call,
                                                             std::string_view filter) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Json> results,
                            List(call, fmt::format("/zones?match=all{}", filter), kZonesPerPage));
  std::vector<HostedZone> zones;
  for (const Json& result : results) {
    const std::optional<std::string> id = IdAt(result, "id");
    const std::optional<std::string> name = StringAt(result, "name");
    if (!id || !name) return NotUnderstood("zone without id or name");
    absl::StatusOr<DomainName> parsed = DomainName::Parse(*name);
    if (!parsed.ok() || parsed->IsRoot()) continue;
    HostedZone zone{*std::move(parsed), *id, ""};
    if (StringAt(result, "type") == "secondary") {
      zone.read_only = "it is a secondary zone; change it at its primary";
    }
    zones.push_back(std::move(zone));
  }
  return zones;
}

absl::StatusOr<HostedRrSet> CloudflareApi::Read(ApiCall& call, const HostedZone& zone,
                                                const DomainName& owner) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Json> results,
                            List(call,
                                 fmt::format("/zones/{}/dns_records?type=TXT&name={}",
                                             QueryEscape(zone.id), QueryEscape(owner.text())),
                                 kRecordsPerPage));
  HostedRrSet rrset;
  rrset.ttl_seconds = std::numeric_limits<uint32_t>::max();
  for (const Json& result : results) {
    HostedRecord record;
    const std::optional<std::string> id = IdAt(result, "id");
    const std::optional<std::string> name = StringAt(result, "name");
    const std::optional<std::string> content = StringAt(result, "content");
    const std::optional<uint32_t> ttl = TtlAt(result, "ttl");
    if (!id || !name || !content || !ttl) return NotUnderstood("record without a member");
    const absl::StatusOr<DomainName> parsed = DomainName::Parse(*name);
    if (StringAt(result, "type") != "TXT" || !parsed.ok() || *parsed != owner) continue;
    record.id = *id;
    record.raw = *content;
    record.ttl_seconds = *ttl == kAutomaticTtl ? kServedForAutomatic : *ttl;
    if (absl::StatusOr<TxtRecord> txt = DecodeTxt(TxtForm::kQuotedOrRaw, *content); txt.ok()) {
      record.txt = *std::move(txt);
    }
    const Json& meta = MemberOf(result, "meta");
    if (BoolAt(result, "locked").value_or(false) || BoolAt(meta, "read_only").value_or(false)) {
      record.locked = "the host keeps it for one of its own services";
    }
    rrset.ttl_seconds = std::min(rrset.ttl_seconds, record.ttl_seconds);
    rrset.records.push_back(std::move(record));
  }
  if (rrset.records.empty()) rrset.ttl_seconds = 0;
  return rrset;
}

absl::Status CloudflareApi::Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                                  const RrSetChange& change) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<RecordStep> steps,
                            PlanRecordSteps(now, change.after, TxtForm::kQuotedOrRaw));
  const std::string records = fmt::format("{}/zones/{}/dns_records", kBase, QueryEscape(zone.id));
  Json deletes = Json::array(), patches = Json::array(), posts = Json::array();
  for (const RecordStep& step : steps) {
    switch (step.kind) {
      case RecordStep::Kind::kUpdate: {
        // A part: what is not named (comment, tags, settings) stays.
        Json patch = {{"id", step.id}, {"content", step.value}};
        const auto old = std::ranges::find(now.records, step.id, &HostedRecord::id);
        if (old->ttl_seconds != change.ttl_seconds) patch["ttl"] = Allowed(change.ttl_seconds);
        patches.push_back(std::move(patch));
        break;
      }
      case RecordStep::Kind::kCreate:
        posts.push_back({{"type", "TXT"},
                         {"name", change.owner.text()},
                         {"content", step.value},
                         {"ttl", Allowed(change.ttl_seconds)}});
        break;
      case RecordStep::Kind::kDelete:
        deletes.push_back({{"id", step.id}});
        break;
    }
  }
  if (steps.size() > 1) {
    Json batch = Json::object();
    if (!deletes.empty()) batch["deletes"] = std::move(deletes);
    if (!patches.empty()) batch["patches"] = std::move(patches);
    if (!posts.empty()) batch["posts"] = std::move(posts);
    return call.Write({.method = "POST", .url = records + "/batch", .body = ToText(batch)})
        .status();
  }
  if (steps.empty()) return absl::OkStatus();
  const std::string one = fmt::format("{}/{}", records, QueryEscape(steps.front().id));
  switch (steps.front().kind) {
    case RecordStep::Kind::kUpdate:
      patches.front().erase("id");
      return call.Write({.method = "PATCH", .url = one, .body = ToText(patches.front())}).status();
    case RecordStep::Kind::kCreate:
      return call.Write({.method = "POST", .url = records, .body = ToText(posts.front())}).status();
    case RecordStep::Kind::kDelete:
      return call.Write({.method = "DELETE", .url = one}).status();
  }
  return absl::OkStatus();
}

void CloudflareApi::Probe(ApiCall& call, const std::vector<HostedZone>&, ProviderTest& test) {
  // Tokens that an account owns, not a user, are not known there: no conclusion from an error.
  const absl::StatusOr<HttpResponse> verified =
      call.Read({.url = fmt::format("{}/user/tokens/verify", kBase)});
  if (verified.ok()) {
    const Json body = ParseJson(verified->body);
    const Json& result = MemberOf(body, "result");
    const std::string state = StringAt(result, "status").value_or("active");
    if (state != "active") {
      test.state = ProviderTest::State::kCredentialRefused;
      test.message = fmt::format("cloudflare: the token is {}", EscapeForTerminal(state));
      return;
    }
    absl::Time expiry;
    std::string error;
    const std::string text = StringAt(result, "expires_on").value_or("");
    if (!text.empty() && absl::ParseTime(absl::RFC3339_full, text, &expiry, &error) &&
        expiry - call.world().clock.Now() < kExpirySoon) {
      test.warnings.push_back(fmt::format("the token expires on {}", EscapeForTerminal(text)));
    }
  }
  const absl::StatusOr<std::vector<Json>> listed = List(call, "/zones?match=all", kZonesPerPage);
  if (!listed.ok()) return;
  std::set<std::string> excess;
  for (const Json& zone : *listed) {
    const Json& rights = MemberOf(zone, "permissions");
    if (!rights.is_array() || rights.empty()) continue;
    bool may_edit = false;
    for (const Json& right : rights) {
      if (!right.is_string()) continue;
      const auto& text = right.get_ref<const std::string&>();
      may_edit = may_edit || text == "#dns_records:edit";
      if (text.ends_with(":edit") && text != "#dns_records:edit") excess.insert(text);
    }
    if (!may_edit) {
      test.state = ProviderTest::State::kCredentialRefused;
      test.message = fmt::format(
          "cloudflare: the token may not change the records of {}; give it "
          "DNS:Edit for the zone",
          EscapeForTerminal(StringAt(zone, "name").value_or("a zone")));
    }
  }
  if (!excess.empty()) {
    test.warnings.push_back(
        fmt::format("the token may do more than is needed: {}",
                    EscapeForTerminal(Join({excess.begin(), excess.end()}, ", "))));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZoneApi>> OpenCloudflare(const HostedSettings&, Secret secret) {
  return std::make_unique<CloudflareApi>(std::move(secret));
}

}  // namespace dmarcate
