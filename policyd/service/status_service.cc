#include "policyd/service/status_service.h"

#include <string>

#include "dmarcate/v1/status.grpc.pb.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/unary.h"
#include "policyd/service/domain_status.h"
#include "policyd/service/domain_status_judgement.h"
#include "policyd/service/names.h"
#include "policyd/service/report_addresses.h"

namespace dmarcate {
namespace {

class StatusServiceImpl final : public v1::StatusService::CallbackService {
 public:
  StatusServiceImpl(const ServiceParts& parts, ObservationStore& observations,
                    InsightStore& insights, RolloutStore& rollouts, RolloutStore& mta_sts)
      : parts_(parts), gatherer_(parts, observations, insights, rollouts, mta_sts) {}

  grpc::ServerUnaryReactor* GetDomainStatus(grpc::CallbackServerContext* context,
                                            const v1::GetDomainStatusRequest* request,
                                            v1::GetDomainStatusResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call& call, const auto& in, auto* out) { return ToGrpc(Get(call, in, out)); });
  }

 private:
  absl::Status Get(const Call& call, const v1::GetDomainStatusRequest& in,
                   v1::GetDomainStatusResponse* out) {
    DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ParseDomainResource(in.name(), "name"));
    if (!v1::GetDomainStatusRequest::View_IsValid(in.view())) {
      return FieldError("view", "is neither VIEW_BASIC nor VIEW_FULL");
    }
    DMARCATE_ASSIGN_OR_RETURN(const DomainRecord record, FindDomain(parts_.policies, domain));
    *out->mutable_status() = gatherer_.Gather(call, record, in.view());
    const ReportAddressRecord* address = CurrentReportAddress(record);
    const std::string reports_to = !record.report_mailbox.empty() ? record.report_mailbox
                                   : address != nullptr           ? address->address
                                                                  : std::string();
    JudgeStatus({.report_address = reports_to, .delegation_zone = record.delegation_zone},
                parts_.clock.Now(), out->mutable_status());
    return absl::OkStatus();
  }

  const ServiceParts& parts_;
  DomainStatusGatherer gatherer_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeStatusService(const ServiceParts& parts,
                                                 ObservationStore& observations,
                                                 InsightStore& insights, RolloutStore& rollouts,
                                                 RolloutStore& mta_sts) {
  return std::make_unique<StatusServiceImpl>(parts, observations, insights, rollouts, mta_sts);
}

}  // namespace dmarcate
