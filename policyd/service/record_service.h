// policyd/service/record_service.h
// dmarcate.v1.RecordService: record.proto says what each method promises.

#ifndef DMARCATE_POLICYD_SERVICE_RECORD_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_RECORD_SERVICE_H_

#include <memory>

#include "lib/dns/resolver.h"
#include "lib/store/observation_store.h"
#include "policyd/service/handler.h"

namespace grpc {
class Service;
}

namespace dmarcate {

std::unique_ptr<grpc::Service> MakeRecordService(const ServiceParts& parts, Resolver& resolver,
                                                 AuthoritativeResolver& authoritative,
                                                 ObservationStore& observations);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_RECORD_SERVICE_H_
