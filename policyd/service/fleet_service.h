// policyd/service/fleet_service.h
// dmarcate.v1.FleetChangeService: fleet_change.proto says what each method promises.

#ifndef DMARCATE_POLICYD_SERVICE_FLEET_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_FLEET_SERVICE_H_

#include <memory>

#include "lib/store/fleet_store.h"
#include "policyd/reconcile/fleet_engine.h"
#include "policyd/service/handler.h"

namespace grpc {
class Service;
}

namespace dmarcate {

std::unique_ptr<grpc::Service> MakeFleetService(const ServiceParts& parts, FleetStore& fleets,
                                                FleetEngine& engine);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_FLEET_SERVICE_H_
