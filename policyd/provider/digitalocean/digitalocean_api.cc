#include "policyd/provider/digitalocean/digitalocean_api.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/json.h"
#include "policyd/provider/api/record_steps.h"
#include "policyd/provider/api/url.h"

namespace dmarcate {
namespace {

constexpr std::string_view kBase = "https://api.digitalocean.com/v2";
constexpr uint32_t kMinTtl = 30;
constexpr uint32_t kMaxTtl = 2'147'483'647;
constexpr size_t kPerPage = 200;

class DigitalOceanApi final : public ZoneApi {
 public:
  explicit DigitalOceanApi(Secret token) : token_(std::move(token)) {}

  ProviderClass provider_class() const override { return ProviderClass::kB; }
  std::string_view host() const override { return "digitalocean"; }
  std::vector<std::string> Secrets() const override { return {token_.Reveal()}; }
  absl::Status Authorize(ApiCall&, HttpRequest& request) override {
    request.headers.push_back({"Authorization", "Bearer " + token_.Reveal()});
    return absl::OkStatus();
  }
  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override;

  absl::StatusOr<std::vector<HostedZone>> ListZones(ApiCall& call) override;
  absl::StatusOr<std::vector<HostedZone>> FindZones(ApiCall& call, const DomainName& name) override;
  absl::StatusOr<HostedRrSet> Read(ApiCall& call, const HostedZone& zone,
                                   const DomainName& owner) override;
  absl::Status Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                     const RrSetChange& change) override;

 private:
  // All pages of a list; `path` ends in '?' or '&'.
  absl::StatusOr<std::vector<Json>> List(ApiCall& call, std::string_view path, const char* member);
  const Secret token_;
};

std::optional<ApiError> DigitalOceanApi::ErrorOf(const HttpResponse& response) const {
  std::optional<ApiFailure> failure = FailureOfStatus(response.status);
  if (!failure) return std::nullopt;
  const Json body = ParseJson(response.body);
  const std::optional<std::string> id = StringAt(body, "id");
  if (!id) return ApiError{*failure, ""};
  const std::string message = StringAt(body, "message").value_or("");
  if (failure == ApiFailure::kRefused && message.find("CNAME") != std::string::npos) {
    failure = ApiFailure::kNotHere;
  }
  return ApiError{*failure, fmt::format("{}: {}", *id, message)};
}

absl::StatusOr<std::vector<Json>> DigitalOceanApi::List(ApiCall& call, std::string_view path,
                                                        const char* member) {
  std::vector<Json> all;
  PageGuard guard;
  for (size_t page = 1;; ++page) {
    DMARCATE_RETURN_IF_ERROR(guard.Next(std::to_string(page)));
    DMARCATE_ASSIGN_OR_RETURN(
        const HttpResponse response,
        call.Read({.url = fmt::format("{}{}page={}&per_page={}", kBase, path, page, kPerPage)}));
    const Json body = ParseJson(response.body);
    const Json& items = MemberOf(body, member);
    if (!items.is_array()) return NotUnderstood(fmt::format("no list of {}", member));
    all.insert(all.end(), items.begin(), items.end());
    // The link is only looked at, not followed: it could lead elsewhere.
    if (StringAt(MemberOf(MemberOf(body, "links"), "pages"), "next").has_value()) {
      if (items.empty()) return NotUnderstood("an empty page before the last");
      continue;
    }
    const uint64_t total = NumberAt(MemberOf(body, "meta"), "total").value_or(all.size());
    if (total != all.size()) {
      return NotUnderstood(fmt::format("{} of {} {} were sent", all.size(), total, member));
    }
    return all;
  }
}

absl::StatusOr<std::vector<HostedZone>> DigitalOceanApi::ListZones(ApiCall& call) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Json> domains, List(call, "/domains?", "domains"));
  std::vector<HostedZone> zones;
  for (const Json& domain : domains) {
    const std::optional<std::string> name = StringAt(domain, "name");
    if (!name) return NotUnderstood("domain without name");
    absl::StatusOr<DomainName> parsed = DomainName::Parse(*name);
    if (parsed.ok() && !parsed->IsRoot()) zones.push_back({*std::move(parsed), *name, ""});
  }
  return zones;
}

absl::StatusOr<std::vector<HostedZone>> DigitalOceanApi::FindZones(ApiCall& call,
                                                                   const DomainName& name) {
  const absl::StatusOr<HttpResponse> response =
      call.Read({.url = fmt::format("{}/domains/{}", kBase, QueryEscape(name.text()))});
  if (response.status().code() == absl::StatusCode::kNotFound) return std::vector<HostedZone>{};
  if (!response.ok()) return response.status();
  const Json body = ParseJson(response->body);
  const absl::StatusOr<DomainName> found =
      DomainName::Parse(StringAt(MemberOf(body, "domain"), "name").value_or(""));
  if (!found.ok() || *found != name) return NotUnderstood("another domain");
  return std::vector<HostedZone>{{name, name.text(), ""}};
}

absl::StatusOr<HostedRrSet> DigitalOceanApi::Read(ApiCall& call, const HostedZone& zone,
                                                  const DomainName& owner) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Json> results,
                            List(call,
                                 fmt::format("/domains/{}/records?type=TXT&name={}&",
                                             QueryEscape(zone.id), QueryEscape(owner.text())),
                                 "domain_records"));
  HostedRrSet rrset;
  rrset.ttl_seconds = std::numeric_limits<uint32_t>::max();
  for (const Json& result : results) {
    const std::optional<std::string> id = IdAt(result, "id");
    const std::optional<std::string> name = StringAt(result, "name");
    const std::optional<std::string> data = StringAt(result, "data");
    const std::optional<uint32_t> ttl = TtlAt(result, "ttl");
    if (!id || !name || !data || !ttl) return NotUnderstood("record without a member");
    if (StringAt(result, "type") != "TXT" ||
        AsciiLower(*name) != RelativeName(owner, zone.name, "@")) {
      continue;
    }
    HostedRecord record{.id = *id, .raw = *data, .ttl_seconds = *ttl};
    if (absl::StatusOr<TxtRecord> txt = DecodeTxt(TxtForm::kRaw, *data); txt.ok()) {
      record.txt = *std::move(txt);
    }
    rrset.ttl_seconds = std::min(rrset.ttl_seconds, *ttl);
    rrset.records.push_back(std::move(record));
  }
  if (rrset.records.empty()) rrset.ttl_seconds = 0;
  return rrset;
}

absl::Status DigitalOceanApi::Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                                    const RrSetChange& change) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<RecordStep> steps,
                            PlanRecordSteps(now, change.after, TxtForm::kRaw));
  const std::string records = fmt::format("{}/domains/{}/records", kBase, QueryEscape(zone.id));
  const uint32_t ttl = std::clamp(change.ttl_seconds, kMinTtl, kMaxTtl);
  return TakeRecordSteps(call, steps, [&](const RecordStep& step) {
    const std::string one = fmt::format("{}/{}", records, QueryEscape(step.id));
    if (step.kind == RecordStep::Kind::kDelete) {
      return call.Write({.method = "DELETE", .url = one}).status();
    }
    Json body = {{"type", "TXT"}, {"data", step.value}};
    if (step.kind == RecordStep::Kind::kUpdate) {
      const auto old = std::ranges::find(now.records, step.id, &HostedRecord::id);
      if (old->ttl_seconds != change.ttl_seconds) body["ttl"] = ttl;
      return call.Write({.method = "PATCH", .url = one, .body = ToText(body)}).status();
    }
    body["name"] = RelativeName(change.owner, zone.name, "@");
    body["ttl"] = ttl;
    // The vendor's schema wants them for every type.
    body["flags"] = nullptr;
    body["tag"] = nullptr;
    return call.Write({.method = "POST", .url = records, .body = ToText(body)}).status();
  });
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZoneApi>> OpenDigitalOcean(const HostedSettings&, Secret secret) {
  return std::make_unique<DigitalOceanApi>(std::move(secret));
}

}  // namespace dmarcate
