#include "policyd/service/rollout_view.h"

#include <string>

#include "lib/base/text.h"
#include "policyd/rollout/codec.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"
#include "policyd/service/rollout_settings.h"

namespace dmarcate {
namespace {

// Numbered alike.
v1::Rollout::Stage ToMessage(PolicyStage stage) { return static_cast<v1::Rollout::Stage>(stage); }
static_assert(static_cast<int>(PolicyStage::kReject) == v1::Rollout::STAGE_REJECT &&
              static_cast<int>(PolicyStage::kQuarantineTest) ==
                  v1::Rollout::STAGE_QUARANTINE_TEST &&
              static_cast<int>(PolicyScope::kNonExistent) == v1::Rollout::SCOPE_NON_EXISTENT &&
              static_cast<int>(RolloutMode::kAutomatic) == v1::Rollout::MODE_AUTOMATIC &&
              static_cast<int>(RolloutStatus::kAborted) == v1::Rollout::STATE_ABORTED &&
              static_cast<int>(RolloutEvent::kPerson) == v1::RolloutEvent::KIND_PERSON);

std::string_view Describe(SourceStanding standing) {
  switch (standing) {
    case SourceStanding::kPending:
      return "pending";
    case SourceStanding::kApproved:
      return "approved";
    case SourceStanding::kRejected:
      return "rejected";
  }
  return "";
}

v1::RolloutImpact ToMessage(const std::string& domain, const SourceImpact& source) {
  v1::RolloutImpact out;
  out.set_source(DomainChildResource(domain, kSources, source.source_id));
  out.set_standing(std::string(Describe(source.standing)));
  out.set_message_count(source.messages);
  out.set_touched_count(source.touched);
  out.set_forwarded_count(source.forwarded);
  return out;
}

}  // namespace

v1::Rollout ToMessage(const Rollout& rollout) {
  const RolloutState& state = rollout.state;
  v1::Rollout out;
  out.set_name(DomainChildResource(state.domain, kRollouts, state.id));
  out.set_etag(MakeEtag(rollout.record.revision));
  out.set_scope(static_cast<v1::Rollout::Scope>(state.scope));
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
  FillSettings(state.settings, out.mutable_settings());
  if (state.confirmation.has_value()) {
    out.set_approved_by(ToValidUtf8(state.confirmation->by));
    out.set_approved_stage(ToMessage(state.confirmation->stage));
    *out.mutable_approve_time() = ToTimestamp(state.confirmation->time);
  }
  return out;
}

v1::RolloutEvent ToMessage(const std::string& domain, const RolloutLogRecord& entry) {
  v1::RolloutEvent out;
  out.set_id(entry.id);
  *out.mutable_time() = ToTimestamp(entry.time);
  out.set_kind(static_cast<v1::RolloutEvent::Kind>(entry.event));
  out.set_who(ToValidUtf8(entry.who));
  out.set_text(ToValidUtf8(entry.text));
  out.set_explanation(ToValidUtf8(entry.explanation));
  if (!entry.decision.empty()) {
    const absl::StatusOr<Decision> decision = DecodeDecision(entry.decision);
    if (decision.ok()) out.set_input_digest(decision->input_digest);
  }
  if (!entry.change_id.empty()) {
    out.set_change(DomainChildResource(domain, kChanges, entry.change_id));
  }
  out.set_lowered(entry.lowered);
  out.set_alert(entry.alert);
  return out;
}

void Fill(const RolloutExplanation& explanation, const Forecast& forecast,
          const ForecastOptions& options, v1::SimulateRolloutResponse* out) {
  const RolloutState& state = explanation.rollout.state;
  *out->mutable_rollout() = ToMessage(explanation.rollout);
  if (explanation.rollout.record.revision == 0) {  // what would be started
    out->mutable_rollout()->clear_name();
    out->mutable_rollout()->clear_etag();
  }
  for (std::string& assumption : ForecastAssumptions(options)) {
    out->add_assumptions(std::move(assumption));
  }
  for (const ForecastStage& stage : forecast.stages) {
    v1::RolloutForecastStage* message = out->add_stages();
    message->set_stage(ToMessage(stage.stage));
    *message->mutable_start_time() = ToTimestamp(stage.since);
    message->set_by_person(stage.by_person);
    for (const ForecastGate& gate : stage.waits) {
      v1::RolloutForecastGate* one = message->add_gates();
      one->set_id(std::string(ToString(gate.id)));
      one->set_title(gate.name);
      one->set_measured(ToValidUtf8(gate.measured));
      one->set_required(ToValidUtf8(gate.required));
      if (gate.closed_until.has_value()) one->set_closed_until(FormatDay(*gate.closed_until));
    }
    if (!stage.impact.has_value()) continue;
    message->set_message_count(stage.impact->messages);
    message->set_wanted_count(stage.impact->wanted);
    if (AppliedBy(stage.stage) == DmarcPolicy::kNone) continue;  // a test does nothing to mail
    message->set_touched_count(stage.impact->touched);
    message->set_wanted_touched_count(stage.impact->wanted_touched);
    for (const SourceImpact& source : stage.impact->sources) {
      *message->add_impacts() = ToMessage(state.domain, source);
    }
  }
  out->set_target_reached(forecast.reached);
  *out->mutable_end_time() = ToTimestamp(forecast.end);
  out->set_reason(ToValidUtf8(forecast.reason));
  out->set_text(ToValidUtf8(TellForecast(state, forecast, options)));
}

v1::RolloutGate ToMessage(const Gate& gate) {
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

void Fill(const RolloutExplanation& explanation, v1::ExplainRolloutResponse* out) {
  const Step& step = explanation.step;
  const std::string& domain = explanation.rollout.state.domain;
  *out->mutable_rollout() = ToMessage(explanation.rollout);
  out->set_decision(std::string(ToString(step.action)));
  out->set_reason(ToValidUtf8(step.reason));
  out->set_decisions_etag(explanation.evidence.decisions_etag);
  if (step.to != explanation.rollout.state.stage) out->set_next_stage(ToMessage(step.to));
  *out->mutable_ask_again_time() = ToTimestamp(step.ask_again);
  for (const Gate& gate : step.gates) *out->add_gates() = ToMessage(gate);
  if (step.impact.has_value()) {
    for (const SourceImpact& source : step.impact->sources) {
      *out->add_impacts() = ToMessage(domain, source);
    }
  }
  for (const std::string& command : step.next_commands) out->add_next_commands(command);
  for (const std::string& advisory : explanation.evidence.advisories) {
    out->add_advisories(ToValidUtf8(advisory));
  }
  out->set_input_digest(
      Record({explanation.rollout.state, explanation.evidence, explanation.time}, step)
          .input_digest);
  out->set_text(ToValidUtf8(explanation.text));
}

}  // namespace dmarcate
