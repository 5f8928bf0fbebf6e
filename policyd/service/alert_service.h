// dmarcate.v1.AlertService: alert.proto says what each method promises.

#ifndef DMARCATE_POLICYD_SERVICE_ALERT_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_ALERT_SERVICE_H_

#include <memory>

#include "lib/store/alert_store.h"
#include "policyd/service/alert_desk.h"
#include "policyd/service/handler.h"

namespace grpc {
class Service;
}

namespace dmarcate {

// `desk` is of the same store.
std::unique_ptr<grpc::Service> MakeAlertService(const ServiceParts& parts, AlertStore& alerts,
                                                AlertDesk& desk);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_ALERT_SERVICE_H_
