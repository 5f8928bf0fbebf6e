// policyd/service/rollout_service.h
// RolloutService of the API. What each call does is the controller's (policyd/reconcile).

#ifndef DMARCATE_POLICYD_SERVICE_ROLLOUT_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_ROLLOUT_SERVICE_H_

#include <memory>

#include "grpcpp/impl/service_type.h"

#include "lib/store/rollout_store.h"
#include "policyd/reconcile/rollout_controller.h"
#include "policyd/service/handler.h"

namespace dmarcate {

// All outlive it.
std::unique_ptr<grpc::Service> MakeRolloutService(const ServiceParts& parts, RolloutStore& rollouts,
                                                  RolloutController& controller);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_ROLLOUT_SERVICE_H_
