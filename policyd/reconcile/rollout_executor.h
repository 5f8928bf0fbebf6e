// policyd/reconcile/rollout_executor.h
// Makes a decided step so, through the change engine alone, and settles what became of it. A step
// is first planned (a plan that nobody takes expires), then written into the rollout as pending
// together with the decision, then applied. May be killed anywhere: what is pending is settled by
// what became of its change.

#ifndef DMARCATE_POLICYD_RECONCILE_ROLLOUT_EXECUTOR_H_
#define DMARCATE_POLICYD_RECONCILE_ROLLOUT_EXECUTOR_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/store/policy_store.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/rollout_book.h"
#include "policyd/reconcile/rollout_decider.h"
#include "policyd/reconcile/rollout_memory.h"

namespace dmarcate {

// All outlive it.
struct RolloutExecutorWorld {
  PolicyStore& policies;
  ChangeEngine& engine;
  RolloutDecider& decider;
  RolloutBook& book;
  RolloutMemory& memory;
  const Clock& clock;
};

// Thread-safe.
class RolloutExecutor {
 public:
  // `patience`: how long to wait for a change to end.
  RolloutExecutor(const RolloutExecutorWorld& world, absl::Duration patience)
      : world_(world), patience_(patience) {}

  // Plans the change of `answer`, which publishes, and applies it. The rollout comes back with the
  // change pending, or with what became of it.
  //   kFailedPrecondition  a never-event, or GUARD_REFUSED: a guard of the plan
  //   others               as the change engine gives them
  absl::StatusOr<Rollout> Execute(Rollout rollout, const RolloutAnswer& answer);
  // Looks what became of the pending change, and begins it if nobody has and it is still wanted.
  // Done: there is none any more.
  absl::StatusOr<Rollout> Settle(Rollout rollout);

 private:
  absl::StatusOr<Rollout> ApplyPending(Rollout rollout, const ChangeRecord& change);
  // Of a plan that is not taken: that nobody takes it by hand.
  void Withdraw(const ChangeRecord& plan);
  absl::StatusOr<Rollout> GiveUp(Rollout rollout, const ChangeRecord* change, std::string text);
  absl::StatusOr<Rollout> Publish(Rollout rollout, const Step& step, const std::string& change_id,
                                  absl::Time when);
  // Of an abort for which there is nothing to lower: `plan` would write nothing, or only raise.
  absl::StatusOr<Rollout> EndLower(Rollout rollout, const Step& step, const ChangeRecord& plan);
  // Writes down, once, that nothing came of it. `text` is the same for the same cause, so it names
  // no change: that is `change_id`, if one was planned.
  absl::StatusOr<Rollout> Fail(Rollout rollout, std::string text, std::string change_id = {});

  const RolloutExecutorWorld world_;
  const absl::Duration patience_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_ROLLOUT_EXECUTOR_H_
