// RolloutRulesService of the API. What each call does is RolloutRulesBook's (policyd/reconcile).

#ifndef DMARCATE_POLICYD_SERVICE_ROLLOUT_RULES_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_ROLLOUT_RULES_SERVICE_H_

#include <memory>

#include "grpcpp/impl/service_type.h"

#include "policyd/reconcile/rollout_rules_book.h"
#include "policyd/service/handler.h"

namespace dmarcate {

// All outlive it.
std::unique_ptr<grpc::Service> MakeRolloutRulesService(const ServiceParts& parts,
                                                       RolloutRulesBook& rules);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_ROLLOUT_RULES_SERVICE_H_
