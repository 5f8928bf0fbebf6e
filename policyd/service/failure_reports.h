// policyd/service/failure_reports.h
// The part of ReportService that is about failure reports (RFC 9991).

#ifndef DMARCATE_POLICYD_SERVICE_FAILURE_REPORTS_H_
#define DMARCATE_POLICYD_SERVICE_FAILURE_REPORTS_H_

#include "absl/status/status.h"

#include "dmarcate/v1/report.pb.h"
#include "lib/rpc/call.h"
#include "policyd/service/handler.h"
#include "policyd/service/report_follower.h"

namespace dmarcate {

// Both outlive it. Thread-safe. Errors are those of the RPCs.
class FailureReports {
 public:
  FailureReports(const ServiceParts& parts, const ReportFollower& reports)
      : parts_(parts), reports_(reports) {}

  absl::Status List(const Call& call, const v1::ListFailureReportsRequest& in,
                    v1::ListFailureReportsResponse* out) const;
  absl::Status Get(const v1::GetFailureReportRequest& in, v1::GetFailureReportResponse* out) const;

 private:
  const ServiceParts& parts_;
  const ReportFollower& reports_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_FAILURE_REPORTS_H_
