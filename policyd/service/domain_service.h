// policyd/service/domain_service.h
// dmarcate.v1.DomainService: domain.proto says what each method promises.

#ifndef DMARCATE_POLICYD_SERVICE_DOMAIN_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_DOMAIN_SERVICE_H_

#include <memory>

#include "lib/mailauth/alignment.h"
#include "policyd/service/handler.h"

namespace grpc {
class Service;
}

namespace dmarcate {

std::unique_ptr<grpc::Service> MakeDomainService(const ServiceParts& parts,
                                                 const PublicSuffixList& suffixes);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_DOMAIN_SERVICE_H_
