// policyd/service/mta_sts_rollout_service.h
// MtaStsRolloutService of the API. What each call does is the controller's (policyd/reconcile).

#ifndef DMARCATE_POLICYD_SERVICE_MTA_STS_ROLLOUT_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_MTA_STS_ROLLOUT_SERVICE_H_

#include <memory>

#include "grpcpp/impl/service_type.h"

#include "lib/dns/resolver.h"
#include "lib/store/rollout_store.h"
#include "policyd/reconcile/mta_sts_controller.h"
#include "policyd/service/handler.h"

namespace dmarcate {

// `rollouts`: the store of MTA-STS. All outlive it.
std::unique_ptr<grpc::Service> MakeMtaStsRolloutService(const ServiceParts& parts,
                                                        RolloutStore& rollouts, Resolver& resolver,
                                                        MtaStsController& controller);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_MTA_STS_ROLLOUT_SERVICE_H_
