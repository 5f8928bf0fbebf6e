// policyd/reconcile/mta_sts_decider.h
// Asks policyd/mta_sts what is next: gathers the evidence, has it judged, and writes down what was
// decided if that writes no DNS. That another file is to be served is such a step: from then on it
// is (mta_sts_served.h). Who asks carries the rest out (mta_sts_executor.h).

#ifndef DMARCATE_POLICYD_RECONCILE_MTA_STS_DECIDER_H_
#define DMARCATE_POLICYD_RECONCILE_MTA_STS_DECIDER_H_

#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "policyd/mta_sts/next_step.h"
#include "policyd/reconcile/mta_sts_book.h"
#include "policyd/reconcile/rollout_memory.h"
#include "policyd/reconcile/sts_evidence_gatherer.h"

namespace dmarcate {

// A step and what it was decided from.
struct StsAnswer {
  StsEvidence evidence;
  StsStep step;
  absl::Time time;  // the `now` of the decision
};
// Whether `step` writes the record.
bool WritesRecord(const StsStep& step);

// All outlive it.
struct StsDeciderWorld {
  StsEvidenceGatherer& evidence;
  MtaStsBook& book;
  RolloutMemory& memory;
  const Clock& clock;
};

// Thread-safe.
class MtaStsDecider {
 public:
  // `log_again`: a decision that stays the same is written down again after that.
  MtaStsDecider(const StsDeciderWorld& world, absl::Duration log_again)
      : world_(world), log_again_(log_again) {}

  // One at a time: each looks at mail servers and reads the reports of a domain. For an abort that
  // was asked for: without waiting for those.
  StsEvidence Gather(const StsState& state);
  StsAnswer Decide(const StsState& state);
  // Writes down a decision that writes no record, unless it was said already and changes nothing.
  // `who`: whose yes it is; empty: policyd's own.
  //   kFailedPrecondition  a never-event; it is written down as a failure
  absl::StatusOr<StsRollout> WriteDown(StsRollout rollout, const StsAnswer& answer,
                                       const std::string& who = {});

 private:
  const StsDeciderWorld world_;
  const absl::Duration log_again_;
  std::mutex gather_mutex_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_MTA_STS_DECIDER_H_
