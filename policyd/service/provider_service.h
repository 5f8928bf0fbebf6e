// policyd/service/provider_service.h
// dmarcate.v1.ProviderService: provider.proto says what each method promises.

#ifndef DMARCATE_POLICYD_SERVICE_PROVIDER_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_PROVIDER_SERVICE_H_

#include <memory>

#include "lib/store/removal_store.h"
#include "policyd/provider/factory.h"
#include "policyd/service/handler.h"

namespace grpc {
class Service;
}

namespace dmarcate {

std::unique_ptr<grpc::Service> MakeProviderService(const ServiceParts& parts,
                                                   ProviderFactory& providers,
                                                   RemovalStore& removals);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_PROVIDER_SERVICE_H_
