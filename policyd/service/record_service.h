// policyd/service/record_service.h
// dmarcate.v1.RecordService: record.proto says what each method promises.

#ifndef DMARCATE_POLICYD_SERVICE_RECORD_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_RECORD_SERVICE_H_

#include <functional>
#include <memory>

#include "absl/time/time.h"

#include "lib/dns/resolver.h"
#include "lib/inbound/inbound.h"
#include "lib/inspect/posture.h"
#include "lib/mailauth/domain_name.h"
#include "lib/store/observation_store.h"
#include "policyd/service/handler.h"

namespace grpc {
class Service;
}

namespace dmarcate {

// InspectInbound with all but what the request decides. Thread-safe; blocks for about `limit`, or
// until `stop` (InboundOptions).
using InboundLook = std::function<InboundPosture(const DomainName& domain, const MxPosture& mx,
                                                 const MtaStsPosture& mta_sts, absl::Duration limit,
                                                 const std::function<bool()>& stop)>;

std::unique_ptr<grpc::Service> MakeRecordService(const ServiceParts& parts, Resolver& resolver,
                                                 AuthoritativeResolver& authoritative,
                                                 ObservationStore& observations,
                                                 InboundLook look_inbound);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_RECORD_SERVICE_H_
