// policyd/service/domain_service.h
// dmarcate.v1.DomainService: domain.proto says what each method promises.

#ifndef DMARCATE_POLICYD_SERVICE_DOMAIN_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_DOMAIN_SERVICE_H_

#include <memory>
#include <string>

#include "lib/mailauth/alignment.h"
#include "policyd/service/handler.h"

namespace grpc {
class Service;
}

namespace dmarcate {

struct DomainStores;
class SnapshotPublisher;

// `address_domain`: of the report addresses that are made; empty: none are. All outlive the
// service.
std::unique_ptr<grpc::Service> MakeDomainService(const ServiceParts& parts,
                                                 const PublicSuffixList& suffixes,
                                                 const std::string& address_domain,
                                                 SnapshotPublisher& publisher,
                                                 const DomainStores& stores);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_DOMAIN_SERVICE_H_
