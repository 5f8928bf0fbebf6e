// policyd/service/report_service.h
// dmarcate.v1.ReportService: report.proto says what each method promises.

#ifndef DMARCATE_POLICYD_SERVICE_REPORT_SERVICE_H_
#define DMARCATE_POLICYD_SERVICE_REPORT_SERVICE_H_

#include <memory>

#include "lib/mailauth/alignment.h"
#include "policyd/service/handler.h"
#include "policyd/service/report_follower.h"

namespace grpc {
class Service;
}

namespace dmarcate {

// All outlive it.
std::unique_ptr<grpc::Service> MakeReportService(const ServiceParts& parts,
                                                 const ReportFollower& reports,
                                                 const PublicSuffixList& suffixes);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_REPORT_SERVICE_H_
