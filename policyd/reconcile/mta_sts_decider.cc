#include "policyd/reconcile/mta_sts_decider.h"

#include <utility>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "policyd/mta_sts/codec.h"
#include "policyd/mta_sts/explain.h"
#include "policyd/mta_sts/never_events.h"

namespace dmarcate {
namespace {

std::string Said(const StsStep& step) {
  return fmt::format("{}|{}|{}", ToString(step.action), ToString(step.to), step.reason);
}

}  // namespace

bool WritesRecord(const StsStep& step) {
  return step.action == StsAction::kPublish || step.action == StsAction::kRemove;
}

StsEvidence MtaStsDecider::Gather(const StsState& state) {
  if (state.abort_to.has_value()) return world_.evidence.Gather(state, world_.clock.Now());
  const std::lock_guard lock(gather_mutex_);
  return world_.evidence.Gather(state, world_.clock.Now());
}

StsAnswer MtaStsDecider::Decide(const StsState& state) {
  StsAnswer answer;
  answer.evidence = Gather(state);
  answer.time = world_.clock.Now();
  answer.step = NextStep(state, answer.evidence, answer.time);
  return answer;
}

absl::StatusOr<StsRollout> MtaStsDecider::WriteDown(StsRollout rollout, const StsAnswer& answer,
                                                    const std::string& who) {
  const StsStep& step = answer.step;
  const StsState& state = rollout.state;
  const absl::Status never = CheckNeverEvents(state, answer.evidence, step, answer.time);
  const std::string said =
      never.ok() ? Said(step) : fmt::format("{}: not done: {}", step.reason, MessageOf(never));
  const StsState after = never.ok() ? AfterDecision(state, step, answer.time) : state;
  if (after == state && world_.memory.HasSaid(rollout.record, said, log_again_)) {
    if (never.ok()) return rollout;
    return never;
  }
  RolloutLogRecord entry = world_.book.Entry(
      never.ok() ? RolloutEvent::kDecided : RolloutEvent::kFailed,
      who.empty() ? kRolloutPolicyd : std::string_view(who), never.ok() ? step.reason : said);
  entry.explanation = ExplainStep(state, step);
  entry.decision = EncodeStsDecision(Record({state, answer.evidence, answer.time}, step));
  entry.alert = step.alert || !never.ok();
  entry.lowered = step.action == StsAction::kServe &&
                  (step.kind == StsMoveKind::kDown || step.kind == StsMoveKind::kByPerson);
  if (entry.alert) {
    LogWarn(
        "mta_sts_needs_a_person",
        {{"domain", rollout.record.domain}, {"rollout", rollout.record.id}, {"why", entry.text}});
  }
  rollout.state = after;
  DMARCATE_ASSIGN_OR_RETURN(rollout, world_.book.Put(std::move(rollout), {std::move(entry)}));
  world_.memory.Said(rollout.record, said);
  // Where policyd serves it, it is there at once.
  if (step.action == StsAction::kServe && never.ok()) {
    world_.memory.Asked(rollout.record, world_.clock.Now());
  }
  if (!never.ok()) return never;
  return rollout;
}

}  // namespace dmarcate
