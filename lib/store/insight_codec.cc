// An insight as it is stored (policy_codec.h).

#include "dmarcate/storage/v1/policy.pb.h"
#include "lib/base/status_macros.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/sealed_message.h"

namespace dmarcate {
namespace {

namespace pb = storage::v1;

}  // namespace

std::string EncodeRecord(std::string_view key, const InsightRecord& record) {
  pb::Insight out;
  out.set_revision(record.revision);
  out.set_code(record.code);
  out.set_severity(static_cast<uint32_t>(record.severity) + 1);
  out.set_state(static_cast<uint32_t>(record.state));
  out.set_scope(record.scope);
  out.set_subject(record.subject);
  out.set_path(record.path);
  out.set_message(record.message);
  out.set_fix_hint(record.fix_hint);
  out.set_evidence_command(record.evidence_command);
  out.set_reference(record.reference);
  for (const auto& [name, value] : record.metadata) (*out.mutable_metadata())[name] = value;
  out.set_content(record.content);
  out.set_weight(record.weight);
  out.set_first_seen_us(ToStoredTime(record.first_seen));
  out.set_last_seen_us(ToStoredTime(record.last_seen));
  if (record.resolve_time != absl::InfiniteFuture()) {
    out.set_resolve_time_us(ToStoredTime(record.resolve_time));
  }
  out.set_active_count(record.active_count);
  out.set_decided_by(record.decided_by);
  if (record.decide_time != absl::InfinitePast()) {
    out.set_decide_time_us(ToStoredTime(record.decide_time));
    out.set_decision(static_cast<uint32_t>(record.decision));
  }
  out.set_note(record.note);
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value, InsightRecord* record) {
  pb::Insight in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  auto id = policy_keys::ParseInsight(key);
  const auto is_state = [](uint32_t number) {
    return number >= 1 && number <= static_cast<uint32_t>(InsightState::kResolved);
  };
  const bool known = in.severity() >= 1 &&
                     in.severity() <= static_cast<uint32_t>(Severity::kError) + 1 &&
                     is_state(in.state()) && (!in.has_decide_time_us() || is_state(in.decision()));
  if (!id || !known) return DoesNotDecode(key);
  *record = InsightRecord();
  record->id = *std::move(id);
  record->revision = in.revision();
  record->code = in.code();
  record->severity = static_cast<Severity>(in.severity() - 1);
  record->state = static_cast<InsightState>(in.state());
  record->scope = in.scope();
  record->subject = in.subject();
  record->path = in.path();
  record->message = in.message();
  record->fix_hint = in.fix_hint();
  record->evidence_command = in.evidence_command();
  record->reference = in.reference();
  record->metadata = {in.metadata().begin(), in.metadata().end()};
  record->content = in.content();
  record->weight = in.weight();
  record->first_seen = FromStoredTime(in.first_seen_us());
  record->last_seen = FromStoredTime(in.last_seen_us());
  if (in.has_resolve_time_us()) record->resolve_time = FromStoredTime(in.resolve_time_us());
  record->active_count = in.active_count();
  record->decided_by = in.decided_by();
  if (in.has_decide_time_us()) {
    record->decide_time = FromStoredTime(in.decide_time_us());
    record->decision = static_cast<InsightState>(in.decision());
  }
  record->note = in.note();
  return absl::OkStatus();
}

std::string EncodeRecord(std::string_view key, const InsightLookRecord& record) {
  pb::InsightLook out;
  out.set_time_us(ToStoredTime(record.time));
  for (const std::string& name : record.unknown_names) out.add_unknown_names(name);
  out.set_left_out(record.left_out);
  out.set_unknown_names_left_out(record.unknown_names_left_out);
  out.set_forgotten_unknown(record.forgotten_unknown);
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value, InsightLookRecord* record) {
  pb::InsightLook in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  record->time = FromStoredTime(in.time_us());
  record->unknown_names = {in.unknown_names().begin(), in.unknown_names().end()};
  record->left_out = in.left_out();
  record->unknown_names_left_out = in.unknown_names_left_out();
  record->forgotten_unknown = in.forgotten_unknown();
  return absl::OkStatus();
}

}  // namespace dmarcate
