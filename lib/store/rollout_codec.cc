// A rollout, its log and the lease as they are stored (policy_codec.h).

#include "dmarcate/storage/v1/policy.pb.h"
#include "lib/base/status_macros.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/sealed_message.h"

namespace dmarcate {
namespace {

namespace pb = storage::v1;

}  // namespace

std::string EncodeRecord(std::string_view key, const RolloutRecord& record) {
  pb::Rollout out;
  out.set_revision(record.revision);
  out.set_domain(record.domain);
  out.set_id(record.id);
  out.set_state(record.state);
  out.set_pending_decision(record.pending_decision);
  out.set_created_by(record.created_by);
  out.set_create_time_us(ToStoredTime(record.create_time));
  out.set_update_time_us(ToStoredTime(record.update_time));
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value, RolloutRecord* record) {
  pb::Rollout in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  record->revision = in.revision();
  record->domain = in.domain();
  record->id = in.id();
  record->state = in.state();
  record->pending_decision = in.pending_decision();
  record->created_by = in.created_by();
  record->create_time = FromStoredTime(in.create_time_us());
  record->update_time = FromStoredTime(in.update_time_us());
  return absl::OkStatus();
}

std::string EncodeRecord(std::string_view key, const RolloutLogRecord& record) {
  pb::RolloutLogEntry out;
  out.set_time_us(ToStoredTime(record.time));
  out.set_event(static_cast<uint32_t>(record.event));
  out.set_who(record.who);
  out.set_text(record.text);
  out.set_explanation(record.explanation);
  out.set_decision(record.decision);
  out.set_change_id(record.change_id);
  out.set_lowered(record.lowered);
  out.set_alert(record.alert);
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value, RolloutLogRecord* record) {
  pb::RolloutLogEntry in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  auto id = policy_keys::ParseRolloutLog(key);
  const bool known = in.event() >= 1 && in.event() <= static_cast<uint32_t>(RolloutEvent::kPerson);
  if (!id || !known) return DoesNotDecode(key);
  record->id = *std::move(id);
  record->time = FromStoredTime(in.time_us());
  record->event = static_cast<RolloutEvent>(in.event());
  record->who = in.who();
  record->text = in.text();
  record->explanation = in.explanation();
  record->decision = in.decision();
  record->change_id = in.change_id();
  record->lowered = in.lowered();
  record->alert = in.alert();
  return absl::OkStatus();
}

std::string EncodeRecord(std::string_view key, const RolloutLease& record) {
  pb::RolloutLease out;
  out.set_revision(record.revision);
  out.set_holder(record.holder);
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value, RolloutLease* record) {
  pb::RolloutLease in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  record->revision = in.revision();
  record->holder = in.holder();
  return absl::OkStatus();
}

}  // namespace dmarcate
