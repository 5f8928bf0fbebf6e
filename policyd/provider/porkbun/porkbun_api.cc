#include "policyd/provider/porkbun/porkbun_api.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/host_api.h"
#include "policyd/provider/api/record_steps.h"
#include "policyd/provider/api/url.h"

namespace dmarcate {
namespace {

constexpr std::string_view kBase = "https://api.porkbun.com/api/json/v3";
constexpr absl::Duration kBetweenRequests = absl::Milliseconds(1200);
constexpr uint32_t kMinTtl = 600;
constexpr uint32_t kMaxTtl = 2'147'483'647;

ApiFailure FailureOfText(std::string_view said, ApiFailure by_status) {
  const auto says = [&](std::string_view text) {
    return said.find(text) != std::string_view::npos;
  };
  if (says("API key")) return ApiFailure::kCredential;
  if (says("opted in to API")) return ApiFailure::kNotHere;
  if (says("Invalid domain") || says("Invalid record ID")) return ApiFailure::kMissing;
  if (says("CNAME")) return ApiFailure::kNotHere;
  return by_status;
}

class PorkbunApi final : public ZoneApi {
 public:
  PorkbunApi(Secret key, Secret secret_key)
      : key_(std::move(key)), secret_key_(std::move(secret_key)) {}

  ProviderClass provider_class() const override { return ProviderClass::kB; }
  std::string_view host() const override { return "porkbun"; }
  std::vector<std::string> Secrets() const override {
    return {key_.Reveal(), secret_key_.Reveal()};
  }
  absl::Status Authorize(ApiCall& call, HttpRequest& request) override;
  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override;
  absl::StatusOr<std::vector<HostedZone>> ListZones(ApiCall& call) override;
  absl::StatusOr<HostedRrSet> Read(ApiCall& call, const HostedZone& zone,
                                   const DomainName& owner) override;
  absl::Status Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                     const RrSetChange& change) override;

 private:
  const Secret key_, secret_key_;
  std::mutex mutex_;
  absl::Duration next_ = absl::ZeroDuration();  // monotonic: no request before
};

ApiRequest Post(std::string_view path, const Json& body) {
  return {.method = "POST", .url = fmt::format("{}/{}", kBase, path), .body = ToText(body)};
}

absl::Status PorkbunApi::Authorize(ApiCall& call, HttpRequest& request) {
  const absl::Duration now = call.world().clock.Monotonic();
  absl::Duration wait;
  {
    const std::lock_guard lock(mutex_);
    wait = std::max(next_ - now, absl::ZeroDuration());
    if (wait < call.TimeLeft()) next_ = now + wait + kBetweenRequests;
  }
  if (wait >= call.TimeLeft()) {
    return MakeError(absl::StatusCode::kUnavailable, "porkbun: no time left for its pace");
  }
  if (wait > absl::ZeroDuration()) call.world().sleep(wait);
  Json body = ParseJson(request.body);
  body["apikey"] = key_.Reveal();
  body["secretapikey"] = secret_key_.Reveal();
  request.body = ToText(body);
  return absl::OkStatus();
}

std::optional<ApiError> PorkbunApi::ErrorOf(const HttpResponse& response) const {
  const std::optional<ApiFailure> failure = FailureOfStatus(response.status);
  const Json body = ParseJson(response.body);
  const std::string status = StringAt(body, "status").value_or("");
  if (!failure && status == "SUCCESS") return std::nullopt;
  const std::string said = StringAt(body, "message").value_or("");
  if (failure && failure != ApiFailure::kRefused) return ApiError{*failure, said};
  if (status != "ERROR") return ApiError{failure.value_or(ApiFailure::kNonsense), said};
  return ApiError{FailureOfText(said, ApiFailure::kRefused), said};
}

absl::StatusOr<std::vector<HostedZone>> PorkbunApi::ListZones(ApiCall& call) {
  std::vector<HostedZone> zones;
  PageGuard guard;
  for (size_t start = 0;;) {
    DMARCATE_RETURN_IF_ERROR(guard.Next(std::to_string(start)));
    DMARCATE_ASSIGN_OR_RETURN(
        const HttpResponse response,
        call.Read(Post("domain/listAll", {{"start", std::to_string(start)}})));
    const Json body = ParseJson(response.body);
    const Json& domains = MemberOf(body, "domains");
    if (!domains.is_array()) return NotUnderstood("no list of domains");
    for (const Json& domain : domains) {
      const std::optional<std::string> name = StringAt(domain, "domain");
      if (!name) return NotUnderstood("domain without name");
      AddZone(zones, *name, *name);
    }
    // How many there are is not said.
    if (domains.empty()) return zones;
    start += domains.size();
  }
}

absl::StatusOr<HostedRrSet> PorkbunApi::Read(ApiCall& call, const HostedZone& zone,
                                             const DomainName& owner) {
  const std::string name = RelativeName(owner, zone.name, "");
  DMARCATE_ASSIGN_OR_RETURN(
      const HttpResponse response,
      call.Read(Post(fmt::format("dns/retrieveByNameType/{}/TXT{}{}", QueryEscape(zone.id),
                                 name.empty() ? "" : "/", QueryEscape(name)),
                     Json::object())));
  const Json body = ParseJson(response.body);
  const Json& results = MemberOf(body, "records");
  if (!results.is_array()) return NotUnderstood("no list of records");
  HostedRrSet rrset;
  for (const Json& result : results) {
    const std::optional<std::string> id = IdAt(result, "id");
    const std::optional<std::string> full = StringAt(result, "name");
    const std::optional<std::string> content = StringAt(result, "content");
    const std::optional<uint32_t> ttl = TtlAt(result, "ttl");
    if (!id || !full || !content || !ttl) return NotUnderstood("record without a member");
    if (StringAt(result, "type") != "TXT" || AsciiLower(*full) != owner.text()) continue;
    AddRecord(rrset, MakeHostedRecord(TxtForm::kRaw, *id, *content, *ttl));
  }
  return rrset;
}

absl::Status PorkbunApi::Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                               const RrSetChange& change) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<RecordStep> steps,
                            PlanRecordSteps(now, change.after, TxtForm::kRaw));
  for (const RecordStep& step : steps) {
    if (step.value.ends_with(' ')) {
      return MakeError(absl::StatusCode::kInvalidArgument,
                       "the host would cut the blank at the end of a text");
    }
  }
  const std::string domain = QueryEscape(zone.id);
  return TakeRecordSteps(call, steps, [&](const RecordStep& step) {
    const std::string id = QueryEscape(step.id);
    if (step.kind == RecordStep::Kind::kDelete) {
      return call.Write(Post(fmt::format("dns/delete/{}/{}", domain, id), Json::object())).status();
    }
    // An edit takes all of the record.
    const Json body = {{"name", RelativeName(change.owner, zone.name, "")},
                       {"type", "TXT"},
                       {"content", step.value},
                       {"ttl", std::to_string(std::clamp(change.ttl_seconds, kMinTtl, kMaxTtl))}};
    if (step.kind == RecordStep::Kind::kCreate) {
      return call.Write(Post(fmt::format("dns/create/{}", domain), body)).status();
    }
    return call.Write(Post(fmt::format("dns/edit/{}/{}", domain, id), body)).status();
  });
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZoneApi>> OpenPorkbun(const HostedSettings&, Secret secret) {
  if (secret.empty()) return std::make_unique<PorkbunApi>(Secret(), Secret());
  DMARCATE_ASSIGN_OR_RETURN(auto parts,
                            ParseSecretLines(secret.Reveal(), {"apikey", "secretapikey"}));
  return std::make_unique<PorkbunApi>(parts["apikey"], parts["secretapikey"]);
}

}  // namespace dmarcate
