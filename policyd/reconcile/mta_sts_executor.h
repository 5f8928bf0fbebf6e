// policyd/reconcile/mta_sts_executor.h
// Writes the record of a decided step (publish an id, or remove it), through the change engine
// alone, and settles what became of it; as rollout_executor.h does for DMARC. May be killed
// anywhere: what is pending is settled by what became of its change.

#ifndef DMARCATE_POLICYD_RECONCILE_MTA_STS_EXECUTOR_H_
#define DMARCATE_POLICYD_RECONCILE_MTA_STS_EXECUTOR_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/store/policy_store.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/mta_sts_book.h"
#include "policyd/reconcile/mta_sts_decider.h"
#include "policyd/reconcile/rollout_memory.h"

namespace dmarcate {

// All outlive it.
struct StsExecutorWorld {
  PolicyStore& policies;
  ChangeEngine& engine;
  MtaStsDecider& decider;
  MtaStsBook& book;
  RolloutMemory& memory;
  const Clock& clock;
};

// Thread-safe.
class MtaStsExecutor {
 public:
  // `patience`: how long to wait for a change to end.
  MtaStsExecutor(const StsExecutorWorld& world, absl::Duration patience)
      : world_(world), patience_(patience) {}

  // Plans the change of `answer`, which writes the record, and applies it. The rollout comes back
  // with the change pending, or with what became of it.
  //   kFailedPrecondition  a never-event, or GUARD_REFUSED: a guard of the plan
  //   others               as the change engine gives them
  absl::StatusOr<StsRollout> Execute(StsRollout rollout, const StsAnswer& answer);
  // Looks what became of the pending change, and begins it if nobody has and it is still wanted.
  // Done: there is none any more.
  absl::StatusOr<StsRollout> Settle(StsRollout rollout);

 private:
  absl::StatusOr<StsRollout> ApplyPending(StsRollout rollout, const ChangeRecord& change);
  // Of a plan that is not taken: that nobody takes it by hand.
  void Withdraw(const ChangeRecord& plan);
  absl::StatusOr<StsRollout> GiveUp(StsRollout rollout, const ChangeRecord* change,
                                    std::string text);
  absl::StatusOr<StsRollout> Published(StsRollout rollout, const StsStep& step,
                                       const std::string& change_id, absl::Time when);
  // Writes down, once, that nothing came of it. `text` is the same for the same cause, so it names
  // no change: that is `change_id`, if one was planned.
  absl::StatusOr<StsRollout> Fail(StsRollout rollout, std::string text, std::string change_id = {});
  void TryAgain(const StsRollout& rollout);

  const StsExecutorWorld world_;
  const absl::Duration patience_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_MTA_STS_EXECUTOR_H_
