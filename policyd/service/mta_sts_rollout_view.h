// policyd/service/mta_sts_rollout_view.h
// MTA-STS rollouts as the API tells them.

#ifndef DMARCATE_POLICYD_SERVICE_MTA_STS_ROLLOUT_VIEW_H_
#define DMARCATE_POLICYD_SERVICE_MTA_STS_ROLLOUT_VIEW_H_

#include <string>
#include <string_view>

#include "dmarcate/v1/mta_sts.pb.h"
#include "dmarcate/v1/rollout.pb.h"
#include "lib/store/rollout_store.h"
#include "policyd/mta_sts/gates.h"
#include "policyd/reconcile/mta_sts_controller.h"

namespace dmarcate {

inline constexpr std::string_view kMtaStsRollouts = "mtaStsRollouts";

v1::MtaStsRollout ToMessage(const StsRollout& rollout);
v1::RolloutGate ToMessage(const StsGate& gate);
// An entry of the log of an MTA-STS rollout.
v1::RolloutEvent ToStsEvent(const std::string& domain, const RolloutLogRecord& entry);
void Fill(const StsExplanation& explanation, v1::ExplainMtaStsRolloutResponse* out);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_MTA_STS_ROLLOUT_VIEW_H_
