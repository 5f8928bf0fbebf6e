// policyd/watch/mta_sts_look.h
// What a person should know about the rollout of MTA-STS of one domain, out of what is kept of it.
// Pure.
//
//   MTA_STS_READY    the next file waits for a person
//   MTA_STS_BLOCKED  the file that is wanted has not been served for a day, a gate has been closed
//                    for a day, or a step failed
//   MTA_STS_PAUSED   it climbs no more until a person has looked
//   MTA_STS_LOWERED  senders no longer insist on TLS; one for each time
//
// Gates that open by themselves (days in testing, working hours) block nothing.

#ifndef DMARCATE_POLICYD_WATCH_MTA_STS_LOOK_H_
#define DMARCATE_POLICYD_WATCH_MTA_STS_LOOK_H_

#include <vector>

#include "absl/time/time.h"

#include "lib/mailauth/domain_name.h"
#include "lib/store/rollout_store.h"
#include "policyd/mta_sts/state.h"
#include "policyd/watch/insight_look.h"

namespace dmarcate {

// `log`: newest first; those of the last kLoweredTold (rollout_look.h), and the one before them. A
// decision whose bytes do not decode is not learned, and then nothing is gone.
InsightLook LookAtMtaSts(const DomainName& domain, const StsState& state,
                         const std::vector<RolloutLogRecord>& log, absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_WATCH_MTA_STS_LOOK_H_
