// policyd/service/change_service.h
// dmarcate.v1.ChangeService: change.proto says what each method promises.

#ifndef DMARCATE_POLICYD_SERVICE_CHANGE_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_CHANGE_SERVICE_H_

#include <memory>

#include "policyd/reconcile/change_engine.h"
#include "policyd/service/handler.h"
#include "policyd/service/spf_terms.h"

namespace grpc {
class Service;
}

namespace dmarcate {

std::unique_ptr<grpc::Service> MakeChangeService(const ServiceParts& parts, ChangeEngine& engine,
                                                 SpfTermDesk& terms);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_CHANGE_SERVICE_H_
