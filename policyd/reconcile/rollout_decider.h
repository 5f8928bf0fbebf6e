// policyd/reconcile/rollout_decider.h
// Asks policyd/rollout what is next: gathers the evidence, has it judged, and writes down what was
// decided if that publishes nothing. Who asks carries the rest out (rollout_executor.h).

#ifndef DMARCATE_POLICYD_RECONCILE_ROLLOUT_DECIDER_H_
#define DMARCATE_POLICYD_RECONCILE_ROLLOUT_DECIDER_H_

#include <mutex>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "policyd/reconcile/evidence_gatherer.h"
#include "policyd/reconcile/rollout_book.h"
#include "policyd/reconcile/rollout_memory.h"
#include "policyd/rollout/next_step.h"

namespace dmarcate {

// A step and what it was decided from.
struct RolloutAnswer {
  Evidence evidence;
  Step step;
  absl::Time time;  // the `now` of the decision
};
// Whether `step` publishes something.
bool Publishes(const Step& step);

// All outlive it.
struct RolloutDeciderWorld {
  EvidenceGatherer& evidence;
  RolloutBook& book;
  RolloutMemory& memory;
  const Clock& clock;
};

// Thread-safe.
class RolloutDecider {
 public:
  // `log_again`: a decision that stays the same is written down again after that.
  RolloutDecider(const RolloutDeciderWorld& world, absl::Duration log_again)
      : world_(world), log_again_(log_again) {}

  // The evidence on exactly one set of approvals; Evidence::decisions_settled says if that could be
  // had. One at a time: each reads all reports of a domain. For an abort that was asked for: what
  // the policy store knows, without waiting.
  Evidence Gather(const RolloutState& state);
  // Whether nobody has approved or rejected a source since `evidence` was gathered.
  bool IsUpToDate(const Evidence& evidence);
  RolloutAnswer Decide(const RolloutState& state);
  // Writes down a decision that publishes nothing, unless it was said already and changes nothing.
  absl::StatusOr<Rollout> WriteDown(Rollout rollout, const RolloutAnswer& answer);

 private:
  const RolloutDeciderWorld world_;
  const absl::Duration log_again_;
  std::mutex gather_mutex_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_ROLLOUT_DECIDER_H_
