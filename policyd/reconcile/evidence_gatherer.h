// policyd/reconcile/evidence_gatherer.h
// Where the evidence of a rollout's decision comes from: an edge of the controller, so that tests
// and the simulator give their own. policyd/service has the real one.

#ifndef DMARCATE_POLICYD_RECONCILE_EVIDENCE_GATHERER_H_
#define DMARCATE_POLICYD_RECONCILE_EVIDENCE_GATHERER_H_

#include <string>
#include <string_view>

#include "absl/time/time.h"

#include "policyd/rollout/evidence.h"
#include "policyd/rollout/state.h"

namespace dmarcate {

// Thread-safe. Nothing here fails: what cannot be learned is told as missing (evidence.h), never as
// good, so that a gate stays closed and says why.
class EvidenceGatherer {
 public:
  virtual ~EvidenceGatherer() = default;
  // Reads reports, the live DNS and the stores; may take as long as those.
  virtual Evidence Gather(const RolloutState& state, absl::Time now) = 0;
  // What may be done, from the policy store alone: an abort needs no more, and must not wait for
  // anything else. `Evidence::domain`, `decisions_etag` and `control`.
  virtual Evidence GatherControl(const RolloutState& state, absl::Time now) = 0;
  // Since when the record has stood on `state.stage`, as far as the watch of the DNS knows; `now`:
  // it does not. A rollout that begins may count the days before.
  virtual absl::Time StageSince(const RolloutState& state, absl::Time now) = 0;
  // As in Evidence; changes with every approval and rejection.
  virtual std::string DecisionsEtag(std::string_view domain) = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_EVIDENCE_GATHERER_H_
