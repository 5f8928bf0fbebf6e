// policyd/reconcile/sts_evidence_gatherer.h
// Where the evidence of an MTA-STS ladder's decision comes from: an edge of the controller, so that
// tests give their own. policyd/service has the real one.

#ifndef DMARCATE_POLICYD_RECONCILE_STS_EVIDENCE_GATHERER_H_
#define DMARCATE_POLICYD_RECONCILE_STS_EVIDENCE_GATHERER_H_

#include "absl/time/time.h"

#include "policyd/mta_sts/evidence.h"
#include "policyd/mta_sts/state.h"

namespace dmarcate {

// Thread-safe. Nothing here fails: what cannot be learned is told as missing (evidence.h), never as
// good, so that a gate stays closed and says why.
class StsEvidenceGatherer {
 public:
  virtual ~StsEvidenceGatherer() = default;
  // Reads reports, the live DNS and the stores, fetches the file and looks at the mail servers; may
  // take as long as those. For an abort that was asked for neither reports nor mail servers: it
  // does not wait for what it does not need.
  virtual StsEvidence Gather(const StsState& state, absl::Time now) = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_STS_EVIDENCE_GATHERER_H_
