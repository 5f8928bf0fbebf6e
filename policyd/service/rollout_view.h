// policyd/service/rollout_view.h
// Rollouts as the API tells them.

#ifndef DMARCATE_POLICYD_SERVICE_ROLLOUT_VIEW_H_
#define DMARCATE_POLICYD_SERVICE_ROLLOUT_VIEW_H_

#include "dmarcate/v1/rollout.pb.h"
#include "lib/store/rollout_store.h"
#include "policyd/reconcile/rollout_controller.h"
#include "policyd/rollout/forecast.h"
#include "policyd/rollout/gates.h"

namespace dmarcate {

v1::Rollout ToMessage(const Rollout& rollout);
v1::RolloutEvent ToMessage(const std::string& domain, const RolloutLogRecord& entry);
v1::RolloutGate ToMessage(const Gate& gate);
void Fill(const RolloutExplanation& explanation, v1::ExplainRolloutResponse* out);
void Fill(const RolloutExplanation& explanation, const Forecast& forecast,
          const ForecastOptions& options, v1::SimulateRolloutResponse* out);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_ROLLOUT_VIEW_H_
