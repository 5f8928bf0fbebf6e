// policyd/service/status_service.h
// dmarcate.v1.StatusService: status.proto says what its method promises.

#ifndef DMARCATE_POLICYD_SERVICE_STATUS_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_STATUS_SERVICE_H_

#include <memory>

#include "lib/store/insight_store.h"
#include "lib/store/observation_store.h"
#include "lib/store/rollout_store.h"
#include "policyd/service/handler.h"

namespace grpc {
class Service;
}

namespace dmarcate {

// All outlive the service. `mta_sts`: the rollouts of MTA-STS.
std::unique_ptr<grpc::Service> MakeStatusService(const ServiceParts& parts,
                                                 ObservationStore& observations,
                                                 InsightStore& insights, RolloutStore& rollouts,
                                                 RolloutStore& mta_sts);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_STATUS_SERVICE_H_
