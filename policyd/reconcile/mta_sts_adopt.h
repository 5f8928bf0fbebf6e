// policyd/reconcile/mta_sts_adopt.h
// What is live becomes where a rollout stands: when it begins, and when a person resumes it after
// somebody else changed record or file. Pure.

#ifndef DMARCATE_POLICYD_RECONCILE_MTA_STS_ADOPT_H_
#define DMARCATE_POLICYD_RECONCILE_MTA_STS_ADOPT_H_

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "policyd/mta_sts/evidence.h"
#include "policyd/mta_sts/state.h"

namespace dmarcate {

// Stage, file and id of `state` follow the live record: none is off; our own leaves everything as
// it is; that of the file that is on its way is as if we had published it; any other takes the
// policy that is served, of whose predecessors nobody knows how long senders keep them, so they are
// taken to do so as long as they may (RFC 8461 section 3.2: a year).
//   kUnavailable DNS_UNAVAILABLE        the records could not be read
//   kFailedPrecondition ROLLOUT_STATE   several records, or one whose policy is not served, is
//   none,
//                                       or is of mode none; says what to do
absl::Status AdoptLive(const StsEvidence& evidence, absl::Time now, StsState& state);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_MTA_STS_ADOPT_H_
