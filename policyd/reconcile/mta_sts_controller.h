// policyd/reconcile/mta_sts_controller.h
// Carries rollouts of MTA-STS policies out: asks policyd/mta_sts what is next, writes it down, has
// the file served, and writes the record through the change engine alone.
//
// May be killed anywhere. Here is when to ask, and what people ask for (advance, pause, resume,
// abort, other settings), which is done at once, on the caller's thread. It has the parts of
// rollout_controller.h, and shares what knows of no policy: the lease, the memory, what calls have
// in common.

#ifndef DMARCATE_POLICYD_RECONCILE_MTA_STS_CONTROLLER_H_
#define DMARCATE_POLICYD_RECONCILE_MTA_STS_CONTROLLER_H_

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/store/policy_store.h"
#include "lib/store/rollout_store.h"
#include "policyd/mta_sts/next_step.h"
#include "policyd/mta_sts/state.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/mta_sts_book.h"
#include "policyd/reconcile/mta_sts_decider.h"
#include "policyd/reconcile/mta_sts_executor.h"
#include "policyd/reconcile/rollout_controller.h"  // RolloutControllerOptions, RolloutRequest
#include "policyd/reconcile/rollout_lease.h"
#include "policyd/reconcile/rollout_memory.h"
#include "policyd/reconcile/sts_evidence_gatherer.h"

namespace dmarcate {

// All outlive it.
struct StsWorld {
  PolicyStore& policies;
  RolloutStore& rollouts;  // that of MTA-STS
  ChangeEngine& engine;
  StsEvidenceGatherer& evidence;
  const Clock& clock;
  Random& random;
};

struct StsExplanation {
  StsRollout rollout;
  StsEvidence evidence;
  StsStep step;
  absl::Time time;   // of the decision
  std::string text;  // ExplainStep
};

struct StsAdvanceRequest {
  RolloutRequest rollout;
  StsStage stage = StsStage::kTesting;  // to which
  std::string file;                     // as it was shown
  // The bound of the failed sessions that was shown and is accepted, a share of 1; 0: the proof is
  // wanted.
  double accepted_bound = 0;
};

// Thread-safe. Errors carry the API's reasons, as those of RolloutController.
class MtaStsController {
 public:
  static constexpr int kMostWaiting = RolloutController::kMostWaiting;
  explicit MtaStsController(const StsWorld& world, const RolloutControllerOptions& options = {});

  // Asks about every rollout that is due, and settles what is pending. Errors of single rollouts
  // are logged and returned, the first one; the others are worked on all the same.
  absl::Status Tick();
  // A tick ends with the rollout that it is at, and no other does anything.
  void BeginStop() { stopping_.store(true, std::memory_order_relaxed); }

  // A new rollout, at the stage that is live now (mta_sts_adopt.h). `state`: domain, mode, target
  // and settings; the rest is filled in.
  //   kAlreadyExists ROLLOUT_ACTIVE      the domain has one that is active or paused
  //   kFailedPrecondition ROLLOUT_STATE  what is live is no stage, or lies above the target
  //   kInvalidArgument FIELD_INVALID     settings or target
  absl::StatusOr<StsRollout> Create(StsState state, std::string_view principal, RunMode mode);
  // What would be decided now. Writes nothing.
  absl::StatusOr<StsExplanation> Explain(std::string_view domain, std::string_view id);
  // A person's yes to the next file, which is served from then on. With kValidateOnly the gates are
  // asked, and nothing is done.
  absl::StatusOr<StsRollout> Advance(const StsAdvanceRequest& request);
  // Mode, target or settings as `edit` makes them of what they are. `what`: for the log.
  absl::StatusOr<StsRollout> Update(const RolloutRequest& request, std::string_view what,
                                    const std::function<absl::Status(StsState&)>& edit);
  absl::StatusOr<StsRollout> Pause(const RolloutRequest& request, std::string_view why);
  // Goes on from what is live now: who resumes adopts it.
  absl::StatusOr<StsRollout> Resume(const RolloutRequest& request);
  // Begins the way down to `to` (kTesting or kOff), whatever reports and mail servers say.
  absl::StatusOr<StsRollout> Abort(const RolloutRequest& request, StsStage to);

 private:
  absl::StatusOr<StsRollout> GetShown(const RolloutRequest& request);
  bool IsDue(const StsRollout& rollout);
  // One decision, and what follows from it.
  absl::StatusOr<StsRollout> Work(StsRollout rollout);
  absl::StatusOr<StsRollout> PauseOnce(const RolloutRequest& request, std::string_view why);
  absl::StatusOr<StsRollout> AbortOnce(const RolloutRequest& request, StsStage to);

  const StsWorld world_;
  MtaStsBook book_;
  RolloutMemory memory_;
  RolloutLeaseHolder lease_;
  MtaStsDecider decider_;
  MtaStsExecutor executor_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> waiting_ = 0;
  std::mutex create_mutex_;  // from looking whether there is one to having made it
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_MTA_STS_CONTROLLER_H_
