// Alerts as they are stored (policy_codec.h).

#include "dmarcate/storage/v1/policy.pb.h"
#include "lib/base/status_macros.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/sealed_message.h"

namespace dmarcate {
namespace {

namespace pb = storage::v1;

uint32_t ToStored(Severity severity) { return static_cast<uint32_t>(severity) + 1; }
bool IsSeverity(uint32_t number) { return number >= 1 && number <= ToStored(Severity::kError); }
Severity FromStored(uint32_t number) { return static_cast<Severity>(number - 1); }

template <typename Enum>
bool IsBetween(uint32_t number, Enum first, Enum last) {
  return number >= static_cast<uint32_t>(first) && number <= static_cast<uint32_t>(last);
}

pb::Alert ToStored(const AlertRecord& alert) {
  pb::Alert out;
  out.set_event(static_cast<uint32_t>(alert.event));
  out.set_domain(alert.domain);
  out.set_insight(alert.insight);
  out.set_code(alert.code);
  out.set_severity(ToStored(alert.severity));
  out.set_message(alert.message);
  out.set_fix_hint(alert.fix_hint);
  out.set_evidence_command(alert.evidence_command);
  out.set_since_us(ToStoredTime(alert.since));
  return out;
}

bool FromStored(const pb::Alert& in, AlertRecord* alert) {
  if (!IsBetween(in.event(), AlertEvent::kFired, AlertEvent::kCleared) ||
      !IsSeverity(in.severity())) {
    return false;
  }
  alert->event = static_cast<AlertEvent>(in.event());
  alert->domain = in.domain();
  alert->insight = in.insight();
  alert->code = in.code();
  alert->severity = FromStored(in.severity());
  alert->message = in.message();
  alert->fix_hint = in.fix_hint();
  alert->evidence_command = in.evidence_command();
  alert->since = FromStoredTime(in.since_us());
  return true;
}

}  // namespace

std::string EncodeRecord(std::string_view key, const AlertChannelRecord& record) {
  pb::AlertChannel out;
  out.set_revision(record.revision);
  out.set_kind(static_cast<uint32_t>(record.kind));
  out.set_url(record.url);
  out.set_secret_name(record.secret_name);
  for (const std::string& address : record.recipients) out.add_recipients(address);
  out.set_min_severity(ToStored(record.min_severity));
  for (const std::string& domain : record.domains) out.add_domains(domain);
  for (const std::string& code : record.codes) out.add_codes(code);
  out.set_without_cleared(!record.cleared);
  out.set_digest(record.digest);
  out.set_create_time_us(ToStoredTime(record.create_time));
  out.set_created_by(record.created_by);
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value,
                          AlertChannelRecord* record) {
  pb::AlertChannel in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  auto id = policy_keys::ParseAlertChannel(key);
  if (!id || !IsBetween(in.kind(), AlertChannelKind::kWebhook, AlertChannelKind::kSyslog) ||
      !IsSeverity(in.min_severity())) {
    return DoesNotDecode(key);
  }
  *record = AlertChannelRecord();
  record->id = *std::move(id);
  record->revision = in.revision();
  record->kind = static_cast<AlertChannelKind>(in.kind());
  record->url = in.url();
  record->secret_name = in.secret_name();
  record->recipients = {in.recipients().begin(), in.recipients().end()};
  record->min_severity = FromStored(in.min_severity());
  record->domains = {in.domains().begin(), in.domains().end()};
  record->codes = {in.codes().begin(), in.codes().end()};
  record->cleared = !in.without_cleared();
  record->digest = in.digest();
  record->create_time = FromStoredTime(in.create_time_us());
  record->created_by = in.created_by();
  return absl::OkStatus();
}

std::string EncodeRecord(std::string_view key, const DeliveryRecord& record) {
  pb::AlertDelivery out;
  out.set_channel(record.channel);
  out.set_state(static_cast<uint32_t>(record.state));
  for (const AlertRecord& alert : record.alerts) *out.add_alerts() = ToStored(alert);
  out.set_subject(record.subject);
  out.set_text(record.text);
  out.set_html(record.html);
  out.set_json(record.json);
  out.set_attempts(record.attempts);
  out.set_next_attempt_us(ToStoredTime(record.next_attempt));
  out.set_last_error(record.last_error);
  if (record.end_time != absl::InfiniteFuture()) {
    out.set_end_time_us(ToStoredTime(record.end_time));
  }
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value, DeliveryRecord* record) {
  pb::AlertDelivery in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  auto place = policy_keys::ParseDelivery(key);
  if (!place || !IsBetween(in.state(), DeliveryState::kPending, DeliveryState::kFailed)) {
    return DoesNotDecode(key);
  }
  *record = DeliveryRecord();
  record->create_time = place->first;
  record->id = std::move(place->second);
  record->channel = in.channel();
  record->state = static_cast<DeliveryState>(in.state());
  for (const pb::Alert& alert : in.alerts()) {
    if (!FromStored(alert, &record->alerts.emplace_back())) return DoesNotDecode(key);
  }
  record->subject = in.subject();
  record->text = in.text();
  record->html = in.html();
  record->json = in.json();
  record->attempts = in.attempts();
  record->next_attempt = FromStoredTime(in.next_attempt_us());
  record->last_error = in.last_error();
  if (in.has_end_time_us()) record->end_time = FromStoredTime(in.end_time_us());
  return absl::OkStatus();
}

std::string EncodeRecord(std::string_view key, const ToldRecord& record) {
  pb::AlertTold out;
  out.set_open(record.open);
  out.set_severity(ToStored(record.severity));
  out.set_seen_us(ToStoredTime(record.seen));
  if (record.told != absl::InfinitePast()) out.set_told_us(ToStoredTime(record.told));
  out.set_firings(record.firings);
  out.set_window_us(ToStoredTime(record.window));
  out.set_held_back(record.held_back);
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value, ToldRecord* record) {
  pb::AlertTold in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  auto place = policy_keys::ParseTold(key);
  if (!place || !IsSeverity(in.severity())) return DoesNotDecode(key);
  *record = ToldRecord();
  record->domain = std::move(place->first);
  record->insight = std::move(place->second);
  record->open = in.open();
  record->severity = FromStored(in.severity());
  record->seen = FromStoredTime(in.seen_us());
  if (in.has_told_us()) record->told = FromStoredTime(in.told_us());
  record->firings = in.firings();
  record->window = FromStoredTime(in.window_us());
  record->held_back = in.held_back();
  return absl::OkStatus();
}

std::string EncodeDigestTime(std::string_view key, absl::Time time) {
  pb::AlertClock out;
  out.set_digest_us(ToStoredTime(time));
  return SealMessage(key, out);
}

absl::StatusOr<absl::Time> DecodeDigestTime(std::string_view key, std::string_view value) {
  pb::AlertClock in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  return FromStoredTime(in.digest_us());
}

}  // namespace dmarcate
