#include "policyd/reconcile/mta_sts_executor.h"

#include <optional>
#include <string_view>
#include <utility>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "policyd/mta_sts/codec.h"
#include "policyd/mta_sts/explain.h"
#include "policyd/mta_sts/live_record.h"
#include "policyd/mta_sts/never_events.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/mta_sts_plan.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {
namespace {

// The step that a decision took, as far as publishing it needs to know.
StsStep StepOf(const StsDecision& decision) {
  StsStep step;
  step.action = decision.action;
  step.to = decision.to;
  step.file = decision.file;
  step.id = decision.id;
  step.reason = decision.reason;
  step.ask_again = decision.time;
  return step;
}

bool IsSame(const StsStep& step, const StsDecision& decision) {
  return step.action == decision.action && step.to == decision.to && step.file == decision.file &&
         step.id == decision.id;
}

// Whether the plan was made from the record that `state` believes in.
bool BeganFromOurs(const ChangeRecord& change, const StsState& state) {
  const absl::StatusOr<LiveStsRecord> before = StsRecordBefore(change);
  if (!before.ok()) return false;
  return state.stage == StsStage::kOff ? before->none() : before->id == state.record_id;
}

ChangeIntent IntentOf(const StsState& state, const StsStep& step) {
  ChangeIntent intent;
  intent.mta_sts =
      StsAnnouncement{step.action == StsAction::kRemove ? "" : step.file, step.id, state.id};
  return intent;
}

// Who asked for the step that `move` began.
std::string WhoAsked(const StsState& state, const StsStep& step) {
  const bool up = step.kind == StsMoveKind::kUp || step.kind == StsMoveKind::kRefresh;
  return step.action == StsAction::kPublish && up && state.confirmation.has_value()
             ? state.confirmation->by
             : std::string(kRolloutPolicyd);
}

}  // namespace

absl::StatusOr<StsRollout> MtaStsExecutor::Execute(StsRollout rollout, const StsAnswer& answer) {
  const StsEvidence& evidence = answer.evidence;
  const StsStep& step = answer.step;
  const StsState& state = rollout.state;
  if (const absl::Status never = CheckNeverEvents(state, evidence, step, world_.clock.Now());
      !never.ok()) {
    (void)Fail(std::move(rollout), fmt::format("{}: not done: {}", step.reason, MessageOf(never)));
    return never;
  }
  const std::string who = WhoAsked(state, step);
  const absl::StatusOr<ChangeRecord> plan =
      world_.engine.Plan(state.domain, IntentOf(state, step), who);
  if (!plan.ok()) {
    (void)Fail(std::move(rollout),
               fmt::format("{}: cannot be planned: {}", step.reason, MessageOf(plan.status())));
    return plan.status();
  }
  // It is there already, or gone.
  if (plan->state == ChangeState::kSucceeded) {
    return Published(std::move(rollout), step, plan->id, world_.clock.Now());
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
  if (!BeganFromOurs(*plan, state)) {
    Withdraw(*plan);
    return Fail(std::move(rollout),
                fmt::format("{}: the record is not what it was any more", step.reason));
  }
  RolloutLogRecord entry = world_.book.Entry(RolloutEvent::kStarted, who, step.reason);
  entry.explanation = ExplainStep(state, step);
  entry.decision = EncodeStsDecision(Record({state, evidence, answer.time}, step));
  entry.change_id = plan->id;
  entry.alert = step.alert;
  rollout.record.pending_decision = entry.decision;
  rollout.state.pending_change = plan->id;
  absl::StatusOr<StsRollout> pending = world_.book.Put(std::move(rollout), {std::move(entry)});
  if (!pending.ok()) {
    Withdraw(*plan);
    return pending.status();
  }
  return ApplyPending(*std::move(pending), *plan);
}

absl::StatusOr<StsRollout> MtaStsExecutor::ApplyPending(StsRollout rollout,
                                                        const ChangeRecord& change) {
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
  TryAgain(rollout);
  return applied.status();
}

absl::StatusOr<StsRollout> MtaStsExecutor::Settle(StsRollout rollout) {
  const std::string id = rollout.state.pending_change;
  const absl::StatusOr<ChangeRecord> change = world_.policies.GetChange(rollout.record.domain, id);
  if (change.status().code() == absl::StatusCode::kNotFound) {
    return GiveUp(std::move(rollout), nullptr, fmt::format("change {} is gone", id));
  }
  DMARCATE_RETURN_IF_ERROR(change.status());
  DMARCATE_ASSIGN_OR_RETURN(const StsDecision decision,
                            DecodeStsDecision(rollout.record.pending_decision));
  switch (change->state) {
    case ChangeState::kSucceeded:
      return Published(std::move(rollout), StepOf(decision), id, change->end_time);
    case ChangeState::kApplying:
    case ChangeState::kVerifying:
    case ChangeState::kRollingBack:
      return rollout;
    case ChangeState::kPlanned:
      break;
    default: {
      DMARCATE_ASSIGN_OR_RETURN(
          rollout,
          GiveUp(std::move(rollout), &*change,
                 fmt::format("change {} ended otherwise{}{}", id,
                             change->error_message.empty() ? "" : ": ", change->error_message)));
      TryAgain(rollout);
      return rollout;
    }
  }
  // Planned and not begun: policyd was killed in between, or the zone was busy. What was decided
  // then is decided again on what is known now.
  StsState without = rollout.state;
  without.pending_change.clear();
  const StsAnswer answer = world_.decider.Decide(without);
  const StsStep& step = answer.step;
  const absl::Time now = world_.clock.Now();
  const bool wanted =
      IsSame(step, decision) && CheckNeverEvents(without, answer.evidence, step, now).ok();
  if (wanted && now <= change->plan_expire_time) return ApplyPending(std::move(rollout), *change);
  Withdraw(*change);
  return GiveUp(std::move(rollout), nullptr,
                fmt::format("change {} was not begun in time, or is not wanted any more: {}", id,
                            step.reason));
}

void MtaStsExecutor::Withdraw(const ChangeRecord& plan) {
  if (plan.state != ChangeState::kPlanned) return;
  const absl::Status withdrawn = world_.engine
                                     .Cancel({.domain = plan.domain,
                                              .id = plan.id,
                                              .revision = plan.revision,
                                              .principal = std::string(kRolloutPolicyd)})
                                     .status();
  if (withdrawn.ok()) return;  // else it expires
  LogWarn("mta_sts_plan_not_withdrawn",
          {{"domain", plan.domain}, {"change", plan.id}, {"error", withdrawn}});
}

absl::StatusOr<StsRollout> MtaStsExecutor::GiveUp(StsRollout rollout, const ChangeRecord* change,
                                                  std::string text) {
  rollout.state.pending_change.clear();
  rollout.record.pending_decision.clear();
  const bool withdrawn = change != nullptr && change->state == ChangeState::kCancelled;
  const bool back = change != nullptr && change->state == ChangeState::kRolledBack;
  // NEEDS_ATTENTION is part of the evidence, and pauses there.
  if ((withdrawn || back) && rollout.state.status == RolloutStatus::kActive) {
    rollout.state.status = RolloutStatus::kPaused;
    rollout.state.pause_reason = withdrawn ? StsPause::kOperator : StsPause::kAttention;
    rollout.state.pause_detail = text;
    rollout.state.pause_time = world_.clock.Now();
    rollout.state.confirmation.reset();
  }
  LogWarn("mta_sts_change_ended_otherwise",
          {{"domain", rollout.record.domain}, {"rollout", rollout.record.id}, {"why", text}});
  RolloutLogRecord entry =
      world_.book.Entry(RolloutEvent::kFailed, kRolloutPolicyd, std::move(text));
  entry.alert = true;
  if (change != nullptr) entry.change_id = change->id;
  return world_.book.Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<StsRollout> MtaStsExecutor::Published(StsRollout rollout, const StsStep& step,
                                                     const std::string& change_id,
                                                     absl::Time when) {
  const StsStage before = rollout.state.stage;
  RolloutLogRecord entry = world_.book.Entry(
      RolloutEvent::kPublished, kRolloutPolicyd,
      step.action == StsAction::kRemove
          ? std::string("the record is gone from every server")
          : fmt::format("{} is live on every server, id {}", ToString(step.to), step.id));
  entry.change_id = change_id;
  entry.lowered = before == StsStage::kEnforce && step.to != StsStage::kEnforce;
  entry.alert = entry.lowered;
  if (entry.lowered) {
    LogWarn("mta_sts_lowered", {{"domain", rollout.record.domain},
                                {"rollout", rollout.record.id},
                                {"to", ToString(step.to)},
                                {"why", step.reason}});
  }
  rollout.state = AfterPublished(std::move(rollout.state), step, when);
  rollout.record.pending_decision.clear();
  world_.memory.Succeeded(rollout.record);
  return world_.book.Put(std::move(rollout), {std::move(entry)});
}

void MtaStsExecutor::TryAgain(const StsRollout& rollout) {
  world_.memory.Failed(rollout.record, rollout.state.abort_to.has_value()
                                           ? RolloutMemory::Haste::kPersonWaits
                                           : RolloutMemory::Haste::kNo);
}

absl::StatusOr<StsRollout> MtaStsExecutor::Fail(StsRollout rollout, std::string text,
                                                std::string change_id) {
  if (world_.memory.HasSaid(rollout.record, text, absl::InfiniteDuration())) {
    TryAgain(rollout);
    return rollout;
  }
  LogError("mta_sts_step_failed",
           {{"domain", rollout.record.domain}, {"rollout", rollout.record.id}, {"why", text}});
  RolloutLogRecord entry = world_.book.Entry(RolloutEvent::kFailed, kRolloutPolicyd, text);
  entry.alert = true;
  entry.change_id = std::move(change_id);
  DMARCATE_ASSIGN_OR_RETURN(rollout, world_.book.Put(std::move(rollout), {std::move(entry)}));
  world_.memory.Said(rollout.record, std::move(text));
  TryAgain(rollout);
  return rollout;
}

}  // namespace dmarcate
