// policyd/service/mta_sts_service.h
// dmarcate.v1.MtaStsService: mta_sts.proto says what each method promises.

#ifndef DMARCATE_POLICYD_SERVICE_MTA_STS_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_MTA_STS_SERVICE_H_

#include <memory>

#include "absl/status/status.h"
#include "grpcpp/impl/service_type.h"

#include "dmarcate/v1/mta_sts.pb.h"
#include "lib/dns/resolver.h"
#include "lib/mailauth/domain_name.h"
#include "policyd/reconcile/sts_file_source.h"
#include "policyd/service/handler.h"

namespace dmarcate {

// The policy that `in` asks for, and what is live of it: the answer of GetMtaStsPolicy. Blocks as
// `files` and `resolver` do.
absl::Status FillStsPolicy(const DomainName& domain, const v1::MtaStsPolicy& in, Resolver& resolver,
                           StsFileSource& files, v1::GetMtaStsPolicyResponse* out);

// All outlive it.
std::unique_ptr<grpc::Service> MakeMtaStsService(const ServiceParts& parts, Resolver& resolver,
                                                 StsFileSource& files);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_MTA_STS_SERVICE_H_
