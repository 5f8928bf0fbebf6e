#include "policyd/reconcile/rollout_executor.h"

#include <optional>
#include <string_view>
#include <utility>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/txt_image.h"
#include "policyd/reconcile/reason.h"
#include "policyd/rollout/codec.h"
#include "policyd/rollout/explain.h"
#include "policyd/rollout/never_events.h"

namespace dmarcate {
namespace {

// The step that a decision took, as far as publishing it needs to know.
Step StepOf(const Decision& decision) {
  Step step;
  step.action = decision.action;
  step.to = decision.to;
  step.reason = decision.reason;
  step.ask_again = decision.time;
  step.alert = decision.to < decision.from;
  if (decision.action == StepAction::kStepDown) {
    step.pause = PauseReason::kBreakage;
    step.pause_detail = decision.reason;
  }
  return step;
}

std::optional<DmarcRecord> OnlyRecordOf(const std::vector<std::string>& presentations) {
  const auto images = FromPresentations(presentations);
  if (!images.ok()) return std::nullopt;
  Evidence evidence;
  evidence.records.dmarc = TextsOf(*images);
  return LiveRecord(evidence);
}

// The stage of the record that a plan was made from.
std::optional<PolicyStage> StageBefore(const ChangeRecord& change, PolicyScope scope) {
  if (change.record_changes.size() != 1) return std::nullopt;
  const std::optional<DmarcRecord> record = OnlyRecordOf(change.record_changes.front().before);
  return record.has_value() ? StageOf(*record, scope) : std::nullopt;
}

// Whether what is live does no more to failing mail, of anybody, than the plan would make of it.
bool RaisesOnly(const ChangeRecord& change) {
  if (change.record_changes.size() != 1) return false;
  const RecordChangeRecord& record = change.record_changes.front();
  const std::optional<DmarcRecord> before = OnlyRecordOf(record.before);
  const std::optional<DmarcRecord> after = OnlyRecordOf(record.after);
  return before.has_value() && after.has_value() && !Weakens(EffectOf(*before), EffectOf(*after));
}

}  // namespace

absl::StatusOr<Rollout> RolloutExecutor::Execute(Rollout rollout, const RolloutAnswer& answer) {
  const Evidence& evidence = answer.evidence;
  const Step& step = answer.step;
  const RolloutState& state = rollout.state;
  if (const absl::Status never = CheckNeverEvents(state, evidence, step, world_.clock.Now());
      !never.ok()) {
    (void)Fail(std::move(rollout), fmt::format("{}: not done: {}", step.reason, MessageOf(never)));
    return never;
  }
  ChangeIntent intent;
  intent.policy = PolicyMove{
      state.scope, step.to,
      step.action == StepAction::kStepUp ? PolicyDirection::kUp : PolicyDirection::kDown, state.id};
  const std::string who = step.action == StepAction::kStepUp && state.confirmation
                              ? state.confirmation->by
                              : std::string(kRolloutPolicyd);
  const absl::StatusOr<ChangeRecord> plan = world_.engine.Plan(state.domain, intent, who);
  if (!plan.ok()) {
    (void)Fail(std::move(rollout),
               fmt::format("{}: cannot be planned: {}", step.reason, MessageOf(plan.status())));
    return plan.status();
  }
  // Somebody else has lowered it already, or further than was asked for.
  const bool nothing_to_lower = plan->state == ChangeState::kSucceeded ||
                                (plan->state == ChangeState::kRefused && RaisesOnly(*plan));
  if (step.action == StepAction::kAbort && nothing_to_lower) {
    return EndLower(std::move(rollout), step, *plan);
  }
  if (const GuardRecord* refusal = FindRefusal(plan->guards)) {
    (void)Fail(std::move(rollout),
               fmt::format("{}: refused: {}: {}", step.reason, refusal->code, refusal->message),
               plan->id);
    return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "GUARD_REFUSED",
                             fmt::format("{}: {}", refusal->code, refusal->message),
                             {{"guard", refusal->code}, {"change", plan->id}});
  }
  // Between the evidence and the plan somebody else may have changed the record.
  if (step.action != StepAction::kAbort && StageBefore(*plan, state.scope) != state.stage) {
    Withdraw(*plan);
    return Fail(std::move(rollout), fmt::format("{}: the record is not at {} any more", step.reason,
                                                ToString(state.stage)));
  }
  if (step.action != StepAction::kAbort && !world_.decider.IsUpToDate(evidence)) {
    Withdraw(*plan);
    world_.memory.Asked(rollout, world_.clock.Now());
    return MakeReasonedError(
        absl::StatusCode::kAborted, "ETAG_MISMATCH",
        fmt::format("sources of {} were approved or rejected meanwhile; it is asked again",
                    state.domain));
  }
  const Decision decision = Record({state, evidence, answer.time}, step);
  RolloutLogRecord entry = world_.book.Entry(RolloutEvent::kStarted, who, step.reason);
  entry.explanation = ExplainStep(state, step);
  entry.decision = EncodeDecision(decision);
  entry.change_id = plan->id;
  entry.lowered = step.to < state.stage;
  entry.alert = step.alert;
  if (entry.lowered) {
    LogWarn("policy_to_be_lowered", {{"domain", state.domain},
                                     {"rollout", state.id},
                                     {"change", plan->id},
                                     {"why", step.reason}});
  }
  rollout.record.pending_decision = entry.decision;
  rollout.state.pending_change = plan->id;
  absl::StatusOr<Rollout> pending = world_.book.Put(std::move(rollout), {std::move(entry)});
  if (!pending.ok()) {
    Withdraw(*plan);
    return pending.status();
  }
  return ApplyPending(*std::move(pending), *plan);
}

absl::StatusOr<Rollout> RolloutExecutor::ApplyPending(Rollout rollout, const ChangeRecord& change) {
  const absl::StatusOr<ChangeRecord> applied =
      world_.engine.Apply({.domain = change.domain,
                           .id = change.id,
                           .plan_digest = change.plan_digest,
                           .revision = change.revision,
                           .principal = change.requested_by},
                          patience_);
  if (applied.ok()) return IsEndState(applied->state) ? Settle(std::move(rollout)) : rollout;
  if (PassesByItself(applied.status())) return rollout;  // until the plan expires
  const absl::StatusOr<ChangeRecord> now = world_.policies.GetChange(change.domain, change.id);
  const bool begun = now.ok() && now->state != ChangeState::kPlanned;
  // An error of the store, say, after the journal was begun: it goes on by itself.
  if (begun && (!IsEndState(now->state) || now->state == ChangeState::kSucceeded)) {
    return Settle(std::move(rollout));
  }
  if (now.ok()) Withdraw(*now);
  DMARCATE_ASSIGN_OR_RETURN(
      rollout, GiveUp(std::move(rollout), nullptr,
                      fmt::format("change {}: {}", change.id, MessageOf(applied.status()))));
  world_.memory.Failed(rollout);
  return applied.status();
}

absl::StatusOr<Rollout> RolloutExecutor::Settle(Rollout rollout) {
  const std::string id = rollout.state.pending_change;
  const absl::StatusOr<ChangeRecord> change = world_.policies.GetChange(rollout.record.domain, id);
  if (change.status().code() == absl::StatusCode::kNotFound) {
    return GiveUp(std::move(rollout), nullptr, fmt::format("change {} is gone", id));
  }
  DMARCATE_RETURN_IF_ERROR(change.status());
  DMARCATE_ASSIGN_OR_RETURN(const Decision decision,
                            DecodeDecision(rollout.record.pending_decision));
  switch (change->state) {
    case ChangeState::kSucceeded:
      return Publish(std::move(rollout), StepOf(decision), id, change->end_time);
    case ChangeState::kApplying:
    case ChangeState::kVerifying:
    case ChangeState::kRollingBack:
      return rollout;
    case ChangeState::kPlanned:
      break;
    default: {
      // An abort that was asked for meanwhile does not wait for what this was.
      const bool goes_on =
          rollout.state.abort_to.has_value() && decision.action != StepAction::kAbort;
      DMARCATE_ASSIGN_OR_RETURN(
          rollout,
          GiveUp(std::move(rollout), &*change,
                 fmt::format("change {} ended otherwise{}{}", id,
                             change->error_message.empty() ? "" : ": ", change->error_message)));
      if (!goes_on) world_.memory.Failed(rollout);
      return rollout;
    }
  }
  // Planned and not begun: policyd was killed in between, or the zone was busy. What was decided
  // then is decided again on what is known now.
  Rollout without = rollout;
  without.state.pending_change.clear();
  const RolloutAnswer answer = world_.decider.Decide(without.state);
  const Step& step = answer.step;
  const absl::Time now = world_.clock.Now();
  const bool same = step.action == decision.action && step.to == decision.to &&
                    CheckNeverEvents(without.state, answer.evidence, step, now).ok();
  if (same && now <= change->plan_expire_time) return ApplyPending(std::move(rollout), *change);
  Withdraw(*change);
  return GiveUp(std::move(rollout), nullptr,
                fmt::format("change {} was not begun in time, or is not wanted any more: {}", id,
                            step.reason));
}

void RolloutExecutor::Withdraw(const ChangeRecord& plan) {
  if (plan.state != ChangeState::kPlanned) return;
  const absl::Status withdrawn = world_.engine
                                     .Cancel({.domain = plan.domain,
                                              .id = plan.id,
                                              .revision = plan.revision,
                                              .principal = std::string(kRolloutPolicyd)})
                                     .status();
  if (withdrawn.ok()) return;  // else it expires
  LogWarn("rollout_plan_not_withdrawn",
          {{"domain", plan.domain}, {"change", plan.id}, {"error", withdrawn}});
}

absl::StatusOr<Rollout> RolloutExecutor::GiveUp(Rollout rollout, const ChangeRecord* change,
                                                std::string text) {
  rollout.state.pending_change.clear();
  rollout.record.pending_decision.clear();
  const bool withdrawn = change != nullptr && change->state == ChangeState::kCancelled;
  const bool back = change != nullptr && change->state == ChangeState::kRolledBack;
  // NEEDS_ATTENTION is part of the evidence, and pauses there.
  if ((withdrawn || back) && rollout.state.status == RolloutStatus::kActive) {
    rollout.state.status = RolloutStatus::kPaused;
    rollout.state.pause_reason = withdrawn ? PauseReason::kOperator : PauseReason::kAttention;
    rollout.state.pause_detail = text;
    rollout.state.pause_time = world_.clock.Now();
    rollout.state.confirmation.reset();
  }
  LogWarn("rollout_change_ended_otherwise",
          {{"domain", rollout.record.domain}, {"rollout", rollout.record.id}, {"why", text}});
  RolloutLogRecord entry =
      world_.book.Entry(RolloutEvent::kFailed, kRolloutPolicyd, std::move(text));
  entry.alert = true;
  if (change != nullptr) entry.change_id = change->id;
  return world_.book.Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<Rollout> RolloutExecutor::Publish(Rollout rollout, const Step& step,
                                                 const std::string& change_id, absl::Time when) {
  RolloutLogRecord entry =
      world_.book.Entry(RolloutEvent::kPublished, kRolloutPolicyd,
                        fmt::format("{} is live on every server", ToString(step.to)));
  entry.change_id = change_id;
  entry.lowered = step.to < rollout.state.stage;
  entry.alert = entry.lowered;
  if (entry.lowered) {
    LogWarn("policy_lowered", {{"domain", rollout.record.domain},
                               {"rollout", rollout.record.id},
                               {"from", ToString(rollout.state.stage)},
                               {"to", ToString(step.to)},
                               {"why", step.reason}});
  }
  rollout.state = AfterPublished(std::move(rollout.state), step, when);
  rollout.record.pending_decision.clear();
  world_.memory.Succeeded(rollout);
  return world_.book.Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<Rollout> RolloutExecutor::EndLower(Rollout rollout, const Step& step,
                                                  const ChangeRecord& plan) {
  const PolicyScope scope = rollout.state.scope;
  const PolicyStage stage = StageBefore(plan, scope).value_or(step.to);
  RolloutLogRecord entry = world_.book.Entry(
      RolloutEvent::kPublished, kRolloutPolicyd,
      fmt::format("nothing to lower: the record does no more than {} asks for; the rollout ends",
                  ToString(step.to)));
  entry.change_id = plan.id;
  rollout.state = AfterPublished(std::move(rollout.state), step, world_.clock.Now());
  rollout.state.stage = stage;
  rollout.record.pending_decision.clear();
  world_.memory.Succeeded(rollout);
  return world_.book.Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<Rollout> RolloutExecutor::Fail(Rollout rollout, std::string text,
                                              std::string change_id) {
  if (world_.memory.HasSaid(rollout, text, absl::InfiniteDuration())) {
    world_.memory.Failed(rollout);
    return rollout;
  }
  LogError("rollout_step_failed",
           {{"domain", rollout.record.domain}, {"rollout", rollout.record.id}, {"why", text}});
  RolloutLogRecord entry = world_.book.Entry(RolloutEvent::kFailed, kRolloutPolicyd, text);
  entry.alert = true;
  entry.change_id = std::move(change_id);
  DMARCATE_ASSIGN_OR_RETURN(rollout, world_.book.Put(std::move(rollout), {std::move(entry)}));
  world_.memory.Said(rollout, std::move(text));
  world_.memory.Failed(rollout);
  return rollout;
}

}  // namespace dmarcate
