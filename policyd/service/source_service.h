// policyd/service/source_service.h
// dmarcate.v1.SourceService: source.proto says what each method promises.

#ifndef DMARCATE_POLICYD_SERVICE_SOURCE_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_SOURCE_SERVICE_H_

#include <memory>

#include "lib/dns/resolver.h"
#include "policyd/service/handler.h"
#include "policyd/service/network_book.h"

namespace grpc {
class Service;
}

namespace dmarcate {

// `resolver` shows the live SPF record for previews and approvals; `network` what is known about
// addresses, null: nothing. Both outlive the service.
std::unique_ptr<grpc::Service> MakeSourceService(const ServiceParts& parts, Resolver& resolver,
                                                 const NetworkBook* network = nullptr);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_SOURCE_SERVICE_H_
