#include "policyd/service/mta_sts_rollout_view.h"

#include "lib/base/text.h"
#include "policyd/mta_sts/codec.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"
#include "policyd/service/rollout_view.h"

namespace dmarcate {
namespace {

// Numbered alike.
v1::MtaStsRollout::Stage ToMessage(StsStage stage) {
  return static_cast<v1::MtaStsRollout::Stage>(stage);
}
static_assert(static_cast<int>(StsStage::kOff) == v1::MtaStsRollout::STAGE_OFF &&
              static_cast<int>(StsStage::kTesting) == v1::MtaStsRollout::STAGE_TESTING &&
              static_cast<int>(StsStage::kEnforce) == v1::MtaStsRollout::STAGE_ENFORCE &&
              static_cast<int>(StsStage::kWithdrawn) == v1::MtaStsRollout::STAGE_WITHDRAWN &&
              static_cast<int>(RolloutMode::kAutomatic) == v1::Rollout::MODE_AUTOMATIC &&
              static_cast<int>(RolloutStatus::kAborted) == v1::Rollout::STATE_ABORTED);

void Fill(const StsSettings& settings, v1::MtaStsRolloutSettings* out) {
  for (const std::string& pattern : settings.mx) out->add_mx(pattern);
  out->set_testing_days(settings.testing_days);
  out->set_min_reporters(settings.min_reporters);
  out->set_failure_share(settings.failure_share);
  out->set_testing_max_age_seconds(absl::ToInt64Seconds(settings.testing_max_age));
  out->set_enforce_max_age_seconds(absl::ToInt64Seconds(settings.enforce_max_age));
  out->set_no_step_down(!settings.step_down);
}

}  // namespace

v1::MtaStsRollout ToMessage(const StsRollout& rollout) {
  const StsState& state = rollout.state;
  v1::MtaStsRollout out;
  out.set_name(DomainChildResource(state.domain, kMtaStsRollouts, state.id));
  out.set_etag(MakeEtag(rollout.record.revision));
  out.set_state(static_cast<v1::Rollout::State>(state.status));
  out.set_stage(ToMessage(state.stage));
  out.set_target(ToMessage(state.target));
  out.set_mode(static_cast<v1::Rollout::Mode>(state.mode));
  if (state.status == RolloutStatus::kPaused) {
    out.set_pause_reason(std::string(ToString(state.pause_reason)));
    out.set_pause_detail(ToValidUtf8(state.pause_detail));
    *out.mutable_pause_time() = ToTimestamp(state.pause_time);
  }
  if (!state.pending_change.empty()) {
    out.set_pending_change(DomainChildResource(state.domain, kChanges, state.pending_change));
  }
  if (state.abort_to.has_value()) out.set_abort_to(ToMessage(*state.abort_to));
  *out.mutable_create_time() = ToTimestamp(state.create_time);
  *out.mutable_stage_start_time() = ToTimestamp(state.stage_start);
  out.set_created_by(ToValidUtf8(rollout.record.created_by));
  Fill(state.settings, out.mutable_settings());
  out.set_file(ToValidUtf8(state.file));
  if (!state.record_id.empty()) out.set_record(StsRecordText(state.record_id));
  if (state.move.has_value()) {
    out.set_next_file(state.move->file);
    out.set_next_record(StsRecordText(state.move->id));
    *out.mutable_next_file_time() = ToTimestamp(state.move->since);
  }
  if (state.cached_until != absl::InfinitePast()) {
    *out.mutable_cached_until_time() = ToTimestamp(state.cached_until);
  }
  return out;
}

v1::RolloutGate ToMessage(const StsGate& gate) {
  v1::RolloutGate out;
  out.set_id(std::string(ToString(gate.id)));
  out.set_title(gate.name);
  out.set_holds(gate.holds);
  out.set_waits_for_person(gate.waits_for_person);
  out.set_measured(ToValidUtf8(gate.measured));
  out.set_required(ToValidUtf8(gate.required));
  *out.mutable_since_time() = ToTimestamp(gate.since);
  out.set_command(gate.command);
  for (const std::string& note : gate.notes) out.add_notes(ToValidUtf8(note));
  return out;
}

v1::RolloutEvent ToStsEvent(const std::string& domain, const RolloutLogRecord& entry) {
  v1::RolloutEvent out = ToMessage(domain, entry);
  out.clear_input_digest();
  if (entry.decision.empty()) return out;
  const absl::StatusOr<StsDecision> decision = DecodeStsDecision(entry.decision);
  if (decision.ok()) out.set_input_digest(decision->input_digest);
  return out;
}

void Fill(const StsExplanation& explanation, v1::ExplainMtaStsRolloutResponse* out) {
  const StsStep& step = explanation.step;
  const StsState& state = explanation.rollout.state;
  *out->mutable_rollout() = ToMessage(explanation.rollout);
  out->set_decision(std::string(ToString(step.action)));
  out->set_reason(ToValidUtf8(step.reason));
  if (!step.file.empty() || step.action == StsAction::kRemove) {
    out->set_next_stage(ToMessage(step.to));
  }
  out->set_next_file(step.file);
  if (!step.id.empty()) out->set_next_record(StsRecordText(step.id));
  *out->mutable_ask_again_time() = ToTimestamp(step.ask_again);
  for (const StsGate& gate : step.gates) *out->add_gates() = ToMessage(gate);
  for (const std::string& command : step.next_commands) out->add_next_commands(command);
  for (const std::string& advisory : explanation.evidence.advisories) {
    out->add_advisories(ToValidUtf8(advisory));
  }
  out->set_input_digest(Record({state, explanation.evidence, explanation.time}, step).input_digest);
  out->set_text(ToValidUtf8(explanation.text));
}

}  // namespace dmarcate
