// policyd/reconcile/rollout_controller.h
// Carries rollouts out: asks policyd/rollout what is next, writes it down, and makes it so through
// the change engine alone. Every step is a change like any other: planned, compared, journaled,
// verified on every server.
//
// May be killed anywhere. Here is when to ask, and what people ask for (advance, pause, resume,
// abort), which is done at once, on the caller's thread. Its parts: rollout_lease.h (of two
// controllers one idles), rollout_decider.h (evidence in, a step out, written down),
// rollout_executor.h (the step, and what became of it), rollout_book.h and rollout_memory.h (what
// is kept, and what was said).

#ifndef DMARCATE_POLICYD_RECONCILE_ROLLOUT_CONTROLLER_H_
#define DMARCATE_POLICYD_RECONCILE_ROLLOUT_CONTROLLER_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/store/policy_store.h"
#include "lib/store/rollout_store.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/evidence_gatherer.h"
#include "policyd/reconcile/rollout_book.h"
#include "policyd/reconcile/rollout_decider.h"
#include "policyd/reconcile/rollout_executor.h"
#include "policyd/reconcile/rollout_fields.h"
#include "policyd/reconcile/rollout_lease.h"
#include "policyd/reconcile/rollout_memory.h"
#include "policyd/reconcile/rollout_pruner.h"
#include "policyd/reconcile/rollout_starter.h"
#include "policyd/rollout/codec.h"
#include "policyd/rollout/next_step.h"
#include "policyd/rollout/state.h"

namespace dmarcate {

// All outlive it.
struct RolloutWorld {
  PolicyStore& policies;
  RolloutStore& rollouts;
  ChangeEngine& engine;
  EvidenceGatherer& evidence;
  const Clock& clock;
  Random& random;
};

struct RolloutControllerOptions {
  StoreUse store_use = StoreUse::kExclusive;
  // Another controller's lease is over when it has not been renewed for that long, by this
  // process's monotonic clock; longer than several ticks.
  absl::Duration lease = absl::Minutes(3);
  // A decision that stays the same is written down again after that.
  absl::Duration log_again = absl::Hours(24);
  // How long a call that asks for a step waits for its change to end.
  absl::Duration patience = absl::ZeroDuration();
};

struct RolloutExplanation {
  Rollout rollout;
  Evidence evidence;
  Step step;
  absl::Time time;   // of the decision
  std::string text;  // ExplainStep
};

struct RolloutRequest {
  std::string domain, id;
  uint64_t revision = 0;  // as it was shown; 0: whatever it is now (pause and abort)
  std::string principal;
  RunMode mode = RunMode::kExecute;
};

struct AdvanceRequest {
  RolloutRequest rollout;
  PolicyStage stage = PolicyStage::kObserve;  // to which
  // The bound of the loss that was shown and is accepted, a share of 1; 0: the proof is wanted.
  double accepted_bound = 0;
  // Evidence::decisions_etag of what was shown; empty: whatever it is now.
  std::string decisions_etag = {};
};

// Thread-safe. Errors carry the API's reasons: RESOURCE_NOT_FOUND, ETAG_MISMATCH, ROLLOUT_ACTIVE,
// ROLLOUT_STATE, GATE_UNMET, those of the change engine, and kResourceExhausted RATE_LIMITED where
// kMostWaiting others wait for evidence (of Create, Explain, Advance and Resume).
class RolloutController {
 public:
  static constexpr int kMostWaiting = 4;
  explicit RolloutController(const RolloutWorld& world,
                             const RolloutControllerOptions& options = {});

  // Asks about every rollout that is due, and settles what is pending. Errors of single rollouts
  // are logged and returned, the first one; the others are worked on all the same.
  absl::Status Tick();
  // A tick ends with the rollout that it is at, and no other does anything.
  void BeginStop() { stopping_.store(true, std::memory_order_relaxed); }

  // A new rollout, at the stage on which its record stands now. `state`: domain, scope, mode,
  // target and settings; the rest is filled in.
  //   kAlreadyExists ROLLOUT_ACTIVE      one of this scope is active or paused
  //   kFailedPrecondition ROLLOUT_STATE  there is no record, or it stands on no stage
  //   kInvalidArgument FIELD_INVALID     settings, or a target that asks for an accepted loss
  absl::StatusOr<Rollout> Create(RolloutState state, std::string_view principal, RunMode mode);
  // What would be decided of a new one that Create would begin now. Writes nothing.
  absl::StatusOr<RolloutExplanation> Preview(RolloutState state, std::string_view principal);
  // What would be decided now. Writes nothing.
  absl::StatusOr<RolloutExplanation> Explain(std::string_view domain, std::string_view id);
  // Target, mode and settings (rollout_fields.h). Nothing to change is OK, and writes nothing.
  absl::StatusOr<Rollout> Edit(const RolloutRequest& request, const RolloutEdit& edit);
  // A person's yes to the next step, and the step. Where two people are wanted, the first yes is
  // kept and the second one, of another person, takes the step. With kValidateOnly the gates are
  // asked, and nothing is done.
  //   kFailedPrecondition ROLLOUT_STATE  the same person has said it already
  absl::StatusOr<Rollout> Advance(const AdvanceRequest& request);
  absl::StatusOr<Rollout> Pause(const RolloutRequest& request, std::string_view why);
  // Goes on from the stage on which the record stands now: who resumes adopts what is live.
  absl::StatusOr<Rollout> Resume(const RolloutRequest& request);
  // Publishes `to`, which lies below, whatever the evidence says and whether or not there is any.
  absl::StatusOr<Rollout> Abort(const RolloutRequest& request, PolicyStage to);

 private:
  absl::StatusOr<Rollout> GetShown(const RolloutRequest& request);
  bool IsDue(const Rollout& rollout);
  // One decision, and what follows from it.
  absl::StatusOr<Rollout> Work(Rollout rollout);
  absl::StatusOr<Rollout> PauseOnce(const RolloutRequest& request, std::string_view why);
  absl::StatusOr<Rollout> AbortOnce(const RolloutRequest& request, PolicyStage to);

  const RolloutWorld world_;
  RolloutBook book_;
  RolloutMemory memory_;
  RolloutLeaseHolder lease_;
  RolloutDecider decider_;
  RolloutExecutor executor_;
  RolloutStarter starter_;
  RolloutPruner pruner_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> waiting_ = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_ROLLOUT_CONTROLLER_H_
