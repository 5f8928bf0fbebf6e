// policyd/reconcile/rollout_starter.h
// What a rollout is when it begins: at the stage on which its record stands, on evidence that was
// read for it. Starts it, or only says what it would be.

#ifndef DMARCATE_POLICYD_RECONCILE_ROLLOUT_STARTER_H_
#define DMARCATE_POLICYD_RECONCILE_ROLLOUT_STARTER_H_

#include <mutex>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "policyd/reconcile/evidence_gatherer.h"
#include "policyd/reconcile/rollout_book.h"
#include "policyd/reconcile/rollout_decider.h"
#include "policyd/rollout/state.h"

namespace dmarcate {

struct NewRollout {
  Rollout rollout;
  Evidence evidence;               // that it would be decided by
  std::vector<Rollout> completed;  // of the scope, which end as it begins
};

// All outlive it.
struct RolloutStarterWorld {
  EvidenceGatherer& evidence;
  RolloutDecider& decider;
  RolloutBook& book;
  const Clock& clock;
  Random& random;
};

// Thread-safe. Errors as of RolloutController::Create.
class RolloutStarter {
 public:
  explicit RolloutStarter(const RolloutStarterWorld& world) : world_(world) {}

  // `state`: domain, scope, mode, target and settings; the rest is filled in. Writes nothing.
  absl::StatusOr<NewRollout> Prepare(RolloutState state, std::string_view principal);
  // Prepares and stores it, one at a time.
  absl::StatusOr<Rollout> Start(RolloutState state, std::string_view principal);

 private:
  const RolloutStarterWorld world_;
  std::mutex mutex_;  // from looking whether there is one to having made it
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_ROLLOUT_STARTER_H_
