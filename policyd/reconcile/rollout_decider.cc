#include "policyd/reconcile/rollout_decider.h"

#include <string>
#include <utility>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "policyd/rollout/codec.h"
#include "policyd/rollout/explain.h"

namespace dmarcate {
namespace {

constexpr int kMostRestarts = 3;

std::string Said(const Step& step) {
  return fmt::format("{}|{}|{}", ToString(step.action), ToString(step.to), step.reason);
}

}  // namespace

bool Publishes(const Step& step) {
  return step.action == StepAction::kStepUp || step.action == StepAction::kStepDown ||
         step.action == StepAction::kAbort;
}

Evidence RolloutDecider::Gather(const RolloutState& state) {
  if (state.abort_to.has_value()) return world_.evidence.GatherControl(state, world_.clock.Now());
  const std::lock_guard lock(gather_mutex_);
  Evidence evidence;
  for (int i = 0; i < kMostRestarts; ++i) {
    evidence = world_.evidence.Gather(state, world_.clock.Now());
    // What was approved or rejected meanwhile is part of the question.
    evidence.decisions_settled = IsUpToDate(evidence);
    if (evidence.decisions_settled) break;
  }
  return evidence;
}

bool RolloutDecider::IsUpToDate(const Evidence& evidence) {
  return world_.evidence.DecisionsEtag(evidence.domain) == evidence.decisions_etag;
}

RolloutAnswer RolloutDecider::Decide(const RolloutState& state) {
  RolloutAnswer answer;
  answer.evidence = Gather(state);
  answer.time = world_.clock.Now();
  answer.step = NextStep(state, answer.evidence, answer.time);
  return answer;
}

absl::StatusOr<Rollout> RolloutDecider::WriteDown(Rollout rollout, const RolloutAnswer& answer) {
  const Step& step = answer.step;
  const RolloutState after = AfterDecision(rollout.state, step, answer.time);
  if (after == rollout.state && world_.memory.HasSaid(rollout, Said(step), log_again_)) {
    return rollout;
  }
  RolloutLogRecord entry = world_.book.Entry(RolloutEvent::kDecided, kRolloutPolicyd, step.reason);
  entry.explanation = ExplainStep(rollout.state, step);
  entry.decision = EncodeDecision(Record({rollout.state, answer.evidence, answer.time}, step));
  entry.alert = step.alert;
  if (step.alert) {
    LogWarn(
        "rollout_needs_a_person",
        {{"domain", rollout.record.domain}, {"rollout", rollout.record.id}, {"why", step.reason}});
  }
  rollout.state = after;
  DMARCATE_ASSIGN_OR_RETURN(rollout, world_.book.Put(std::move(rollout), {std::move(entry)}));
  world_.memory.Said(rollout, Said(step));
  return rollout;
}

}  // namespace dmarcate
