// tests/policyd/reconcile/sts_life.h
// policyd as the one that carries MTA-STS rollouts out, which dies at a given point.

#ifndef DMARCATE_TESTS_POLICYD_RECONCILE_STS_LIFE_H_
#define DMARCATE_TESTS_POLICYD_RECONCILE_STS_LIFE_H_

#include <utility>
#include <vector>

#include "policyd/reconcile/mta_sts_controller.h"
#include "tests/policyd/reconcile/forwarding_rollouts.h"
#include "tests/policyd/reconcile/mortal.h"
#include "tests/policyd/reconcile/test_world.h"

namespace dmarcate {

class MortalRollouts final : public ForwardingRollouts {
 public:
  MortalRollouts(RolloutStore& store, Killer& killer)
      : ForwardingRollouts(store), killer_(killer) {}
  absl::StatusOr<RolloutRecord> PutRollout(RolloutRecord record,
                                           std::vector<RolloutLogRecord> log) override {
    if (killer_.Tick()) return Dead();
    auto put = store_.PutRollout(std::move(record), std::move(log));
    if (killer_.Tick()) return Dead();
    return put;
  }
  absl::StatusOr<RolloutLease> PutRolloutLease(RolloutLease lease) override {
    if (killer_.dead()) return Dead();
    return store_.PutRolloutLease(std::move(lease));
  }

 private:
  Killer& killer_;
};

// One life of policyd over stores, a zone and a clock that survive it.
class StsLife {
 public:
  // `world` with its `sts_files`; all outlive it.
  StsLife(TestWorld& world, RolloutStore& rollouts, StsEvidenceGatherer& evidence)
      : life_(world, {.max_running = 1}),
        rollouts_(rollouts, life_.killer),
        controller_({life_.store(), rollouts_, life_.engine(), evidence, world.clock, world.random},
                    {.patience = absl::InfiniteDuration()}) {}

  Killer& killer() { return life_.killer; }
  MtaStsController& controller() { return controller_; }
  ChangeEngine& engine() { return life_.engine(); }
  void Begin() { (void)life_.engine().Resume(); }
  void End() { life_.engine().WaitIdle(); }

 private:
  Life life_;
  MortalRollouts rollouts_;
  MtaStsController controller_;
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_POLICYD_RECONCILE_STS_LIFE_H_
