// policyd/service/mta_sts_status.h
// A rollout of MTA-STS on one line of a domain's status.

#ifndef DMARCATE_POLICYD_SERVICE_MTA_STS_STATUS_H_
#define DMARCATE_POLICYD_SERVICE_MTA_STS_STATUS_H_

#include <vector>

#include "dmarcate/v1/status.pb.h"
#include "lib/store/rollout_store.h"
#include "policyd/reconcile/mta_sts_book.h"

namespace dmarcate {

// With the last decision of `log` (newest first), and its gates made again from what it was made
// from; without gates once the stage is another one.
v1::MtaStsStatus MtaStsStatusOf(const StsRollout& rollout,
                                const std::vector<RolloutLogRecord>& log);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_MTA_STS_STATUS_H_
