#include "policyd/provider/ovh/ovh_api.h"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <utility>

#include <openssl/evp.h>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/host_api.h"
#include "policyd/provider/api/record_steps.h"
#include "policyd/provider/api/url.h"

namespace dmarcate {
namespace {

constexpr uint32_t kMinTtl = 60;
constexpr uint32_t kMaxTtl = 2'147'483'647;
constexpr uint32_t kDefaultTtl = 3600;
constexpr int kMaxRefreshes = 4;
constexpr absl::Duration kFirstPause = absl::Seconds(1);
constexpr absl::Duration kHostTimeFor = absl::Minutes(10);

std::string Sha1Hex(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
  return ToHex({reinterpret_cast<const char*>(digest), size});
}

// {message, errorCode?, class?}
ApiError ErrorIn(const HttpResponse& response, ApiFailure failure) {
  const Json body = ParseJson(response.body);
  std::string said = StringAt(body, "message").value_or("");
  if (const auto code = StringAt(body, "errorCode")) said = fmt::format("{}: {}", *code, said);
  if (failure == ApiFailure::kRefused) {
    if (said.find("Invalid signature") != std::string::npos) failure = ApiFailure::kCredential;
    if (said.find("CNAME") != std::string::npos) failure = ApiFailure::kNotHere;
  }
  return {failure, std::move(said)};
}

// The host's clock is asked without a credential.
class OvhClock final : public ApiDialect {
 public:
  std::string_view host() const override { return "ovh"; }
  absl::Status Authorize(ApiCall&, HttpRequest&) override { return absl::OkStatus(); }
  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override {
    const std::optional<ApiFailure> failure = FailureOfStatus(response.status);
    if (!failure) return std::nullopt;
    return ErrorIn(response, *failure);
  }
  std::vector<std::string> Secrets() const override { return {}; }
};

struct OvhCredential {
  Secret application_key, application_secret, consumer_key;
};

// A record's id is "TYPE/NUMBER": its type says how it is written.
bool IsNative(std::string_view id) { return !id.starts_with("TXT/"); }
std::string NumberOf(std::string_view id) { return std::string(id.substr(id.find('/') + 1)); }
bool Fits(std::string_view id, std::string_view text) {
  if (id.starts_with("SPF/")) return StartsWithIgnoreCase(text, "v=spf1");
  if (id.starts_with("DMARC/")) return StartsWithIgnoreCase(text, "v=DMARC1");
  return StartsWithIgnoreCase(text, "v=DKIM1");
}

// Native records are written without quotes. One that a text does not fit goes, and a TXT record
// comes: the type of a record does not change.
absl::StatusOr<std::vector<RecordStep>> ForNative(std::vector<RecordStep> steps) {
  std::vector<RecordStep> updates, creations, deletions;
  for (RecordStep& step : steps) {
    if (step.kind == RecordStep::Kind::kCreate)
      creations.push_back(std::move(step));
    else if (step.kind == RecordStep::Kind::kDelete)
      deletions.push_back(std::move(step));
    else if (!IsNative(step.id))
      updates.push_back(std::move(step));
    else {
      DMARCATE_ASSIGN_OR_RETURN(const TxtRecord txt, DecodeTxt(TxtForm::kQuotedOrRaw, step.value));
      if (Fits(step.id, txt.Joined())) {
        DMARCATE_ASSIGN_OR_RETURN(step.value, EncodeTxt(TxtForm::kRaw, txt));
        updates.push_back(std::move(step));
        continue;
      }
      creations.push_back({RecordStep::Kind::kCreate, "", step.value});
      deletions.push_back({RecordStep::Kind::kDelete, step.id, ""});
    }
  }
  std::ranges::move(creations, std::back_inserter(updates));
  std::ranges::move(deletions, std::back_inserter(updates));
  return updates;
}

class OvhApi final : public ZoneApi, public ZonePublisher {
 public:
  OvhApi(std::string base, OvhCredential credential)
      : base_(std::move(base)), credential_(std::move(credential)) {}

  ProviderClass provider_class() const override { return ProviderClass::kB; }
  std::string_view host() const override { return "ovh"; }
  std::vector<std::string> Secrets() const override {
    return {credential_.application_key.Reveal(), credential_.application_secret.Reveal(),
            credential_.consumer_key.Reveal()};
  }
  absl::Status Authorize(ApiCall& call, HttpRequest& request) override;
  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override {
    return time_.ErrorOf(response);
  }
  absl::StatusOr<std::vector<HostedZone>> ListZones(ApiCall& call) override;
  absl::StatusOr<HostedRrSet> Read(ApiCall& call, const HostedZone& zone,
                                   const DomainName& owner) override;
  absl::Status Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                     const RrSetChange& change) override;
  void Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test) override;
  // Repeated by itself. kUnknown where the last attempt fails.
  absl::Status Publish(ApiCall& call, const HostedZone& zone) override;

 private:
  std::string Zone(const HostedZone& zone) const {
    return fmt::format("{}/domain/zone/{}", base_, QueryEscape(zone.id));
  }

  const std::string base_;
  const OvhCredential credential_;
  OvhClock time_;
  std::mutex mutex_;
  // What the host's clock said, and when: told on by the monotonic clock, so that a jump of ours
  // makes no signature wrong.
  struct HostTime {
    absl::Time said;
    absl::Duration at;  // monotonic
  };
  std::optional<HostTime> host_time_;
};

absl::Status OvhApi::Authorize(ApiCall& call, HttpRequest& request) {
  const Clock& clock = call.world().clock;
  std::optional<HostTime> time;
  {
    const std::lock_guard lock(mutex_);
    time = host_time_;
  }
  // Asked again now and then: neither clock runs quite right, and ours stands still in a sleep.
  if (!time || clock.Monotonic() - time->at > kHostTimeFor) {
    DMARCATE_ASSIGN_OR_RETURN(const HttpResponse response,
                              call.ReadBy(time_, {.url = base_ + "/auth/time"}));
    const Json seconds = ParseJson(response.body);
    if (!seconds.is_number_unsigned()) return NotUnderstood("no time");
    time = HostTime{absl::FromUnixSeconds(seconds.get<int64_t>()), clock.Monotonic()};
    const std::lock_guard lock(mutex_);
    host_time_ = time;
  }
  const std::string stamp =
      std::to_string(absl::ToUnixSeconds(time->said + (clock.Monotonic() - time->at)));
  const std::string signature = Sha1Hex(fmt::format(
      "{}+{}+{}+{}+{}+{}", credential_.application_secret.Reveal(),
      credential_.consumer_key.Reveal(), request.method, request.url, request.body, stamp));
  request.headers.push_back({"X-Ovh-Application", credential_.application_key.Reveal()});
  request.headers.push_back({"X-Ovh-Consumer", credential_.consumer_key.Reveal()});
  request.headers.push_back({"X-Ovh-Timestamp", stamp});
  request.headers.push_back({"X-Ovh-Signature", "$1$" + signature});
  return absl::OkStatus();
}

absl::StatusOr<std::vector<HostedZone>> OvhApi::ListZones(ApiCall& call) {
  DMARCATE_ASSIGN_OR_RETURN(const HttpResponse response,
                            call.Read({.url = base_ + "/domain/zone"}));
  const Json body = ParseJson(response.body);
  if (!body.is_array()) return NotUnderstood("no list of zones");
  std::vector<HostedZone> zones;
  for (const Json& name : body) {
    if (!name.is_string()) return NotUnderstood("zone that is no name");
    AddZone(zones, name.get<std::string>(), name.get<std::string>());
  }
  return zones;
}

absl::StatusOr<HostedRrSet> OvhApi::Read(ApiCall& call, const HostedZone& zone,
                                         const DomainName& owner) {
  const std::string name = RelativeName(owner, zone.name, "");
  // Of every type: with a filter, the native ones would be missed.
  DMARCATE_ASSIGN_OR_RETURN(
      const HttpResponse response,
      call.Read({.url = fmt::format("{}/record?subDomain={}", Zone(zone), QueryEscape(name))}));
  const Json ids = ParseJson(response.body);
  if (!ids.is_array()) return NotUnderstood("no list of records");
  HostedRrSet rrset;
  for (const Json& number : ids) {
    if (!number.is_number_unsigned()) return NotUnderstood("record that is no number");
    DMARCATE_ASSIGN_OR_RETURN(
        const HttpResponse one,
        call.Read({.url = fmt::format("{}/record/{}", Zone(zone), number.get<uint64_t>())}));
    const Json record = ParseJson(one.body);
    const std::optional<std::string> type = StringAt(record, "fieldType");
    const std::optional<std::string> target = StringAt(record, "target");
    if (!type || !target) return NotUnderstood("record without type or target");
    if (*type != "TXT" && *type != "SPF" && *type != "DKIM" && *type != "DMARC") continue;
    // Left out at the apex and for the default.
    if (AsciiLower(StringAt(record, "subDomain").value_or("")) != name) continue;
    const uint32_t ttl = TtlAt(record, "ttl").value_or(0);
    AddRecord(rrset, MakeHostedRecord(TxtForm::kQuotedOrRaw,
                                      fmt::format("{}/{}", *type, number.get<uint64_t>()), *target,
                                      ttl == 0 ? kDefaultTtl : ttl));
  }
  return rrset;
}

absl::Status OvhApi::Publish(ApiCall& call, const HostedZone& zone) {
  absl::Duration pause = kFirstPause;
  for (int attempt = 1;; ++attempt, pause *= 2) {
    const absl::Status status =
        call.Write({.method = "POST", .url = Zone(zone) + "/refresh"}).status();
    if (status.ok()) return status;
    const bool repeat = status.code() == absl::StatusCode::kUnavailable ||
                        status.code() == absl::StatusCode::kUnknown;
    if (!repeat || attempt == kMaxRefreshes || !call.Pause(pause, status)) {
      return MakeError(absl::StatusCode::kUnknown,
                       fmt::format("perhaps not published: refresh: {}", MessageOf(status)));
    }
  }
}

absl::Status OvhApi::Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                           const RrSetChange& change) {
  DMARCATE_RETURN_IF_ERROR(CheckPrintable(now, change.after));
  DMARCATE_ASSIGN_OR_RETURN(std::vector<RecordStep> planned,
                            PlanRecordSteps(now, change.after, TxtForm::kQuotedOrRaw));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<RecordStep> steps, ForNative(std::move(planned)));
  const std::string records = Zone(zone) + "/record";
  const uint32_t ttl = std::clamp(change.ttl_seconds, kMinTtl, kMaxTtl);
  const absl::Status status = TakeRecordSteps(call, steps, [&](const RecordStep& step) {
    const std::string one = fmt::format("{}/{}", records, QueryEscape(NumberOf(step.id)));
    if (step.kind == RecordStep::Kind::kDelete) {
      return call.Write({.method = "DELETE", .url = one}).status();
    }
    Json body = {{"target", step.value}, {"subDomain", RelativeName(change.owner, zone.name, "")}};
    if (step.kind == RecordStep::Kind::kUpdate) {
      const auto old = std::ranges::find(now.records, step.id, &HostedRecord::id);
      if (old->ttl_seconds != ttl) body["ttl"] = ttl;
      return call.Write({.method = "PUT", .url = one, .body = ToText(body)}).status();
    }
    body["fieldType"] = "TXT";
    body["ttl"] = ttl;
    return call.Write({.method = "POST", .url = records, .body = ToText(body)}).status();
  });
  // What may be changed is published: half a change that nobody sees would appear with the next
  // refresh, whoever asks for it.
  if (!status.ok() && status.code() != absl::StatusCode::kUnknown) return status;
  const absl::Status refreshed = Publish(call, zone);
  return status.ok() ? refreshed : status;
}

// A rule of a consumer key: a path in which * stands for any text.
bool Covers(std::string_view rule, std::string_view path) {
  const std::vector<std::string_view> pieces = Split(rule, '*');
  if (pieces.size() == 1) return rule == path;
  if (!path.starts_with(pieces.front())) return false;
  path.remove_prefix(pieces.front().size());
  for (size_t i = 1; i + 1 < pieces.size(); ++i) {
    const size_t at = path.find(pieces[i]);
    if (at == std::string_view::npos) return false;
    path.remove_prefix(at + pieces[i].size());
  }
  return path.ends_with(pieces.back());
}

bool MayDo(const Json& rules, std::string_view method, std::string_view path) {
  for (const Json& rule : rules) {
    if (StringAt(rule, "method") == method && Covers(StringAt(rule, "path").value_or(""), path)) {
      return true;
    }
  }
  return false;
}

void OvhApi::Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test) {
  const absl::StatusOr<HttpResponse> response =
      call.Read({.url = base_ + "/auth/currentCredential"});
  if (!response.ok()) return;
  const Json body = ParseJson(response->body);
  const Json& rules = MemberOf(body, "rules");
  if (!rules.is_array() || rules.size() > 1000) return;
  std::vector<std::string> missing, excess;
  for (const auto& [method, path] :
       {std::pair("POST", "/record"), std::pair("PUT", "/record/1"),
        std::pair("DELETE", "/record/1"), std::pair("POST", "/refresh")}) {
    const std::string wanted = fmt::format("/domain/zone/{}{}", zones.front().id, path);
    if (!MayDo(rules, method, wanted)) missing.push_back(fmt::format("{} {}", method, wanted));
  }
  for (const Json& rule : rules) {
    const std::string path = StringAt(rule, "path").value_or("");
    if (!path.starts_with("/domain/zone/") && path != "/domain/zone" &&
        path != "/auth/currentCredential") {
      excess.push_back(fmt::format("{} {}", StringAt(rule, "method").value_or(""), path));
    }
  }
  if (!missing.empty()) {
    test.state = ProviderTest::State::kCredentialRefused;
    test.message = fmt::format("ovh: the consumer key may not change records: it lacks {}",
                               EscapeForTerminal(Join(missing, ", ")));
  }
  if (!excess.empty()) {
    test.warnings.push_back(fmt::format("the consumer key may do more than is needed: {}",
                                        EscapeForTerminal(Join(excess, ", "))));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZoneApi>> OpenOvh(const HostedSettings& settings, Secret secret) {
  const auto given = settings.find("endpoint");
  const std::string endpoint =
      given == settings.end() || given->second.empty() ? "eu" : given->second;
  const std::string host = endpoint == "eu"   ? "eu.api.ovh.com"
                           : endpoint == "ca" ? "ca.api.ovh.com"
                           : endpoint == "us" ? "api.us.ovhcloud.com"
                                              : "";
  if (host.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "endpoint: eu, ca or us is wanted");
  }
  OvhCredential credential;
  if (!secret.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(
        auto parts, ParseSecretLines(secret.Reveal(),
                                     {"application_key", "application_secret", "consumer_key"}));
    credential = {parts["application_key"], parts["application_secret"], parts["consumer_key"]};
  }
  return std::make_unique<OvhApi>(fmt::format("https://{}/1.0", host), std::move(credential));
}

}  // namespace dmarcate
