// policyd/service/tls_reports.h
// The part of ReportService that is about TLS reports (RFC 8460).

#ifndef DMARCATE_POLICYD_SERVICE_TLS_REPORTS_H_
#define DMARCATE_POLICYD_SERVICE_TLS_REPORTS_H_

#include <mutex>

#include "absl/status/status.h"

#include "dmarcate/v1/report.pb.h"
#include "lib/rpc/call.h"
#include "policyd/service/handler.h"
#include "policyd/service/report_follower.h"

namespace dmarcate {

// Both outlive it. Thread-safe. Errors are those of the RPCs.
class TlsReports {
 public:
  TlsReports(const ServiceParts& parts, const ReportFollower& reports)
      : parts_(parts), reports_(reports) {}

  absl::Status List(const Call& call, const v1::ListTlsReportsRequest& in,
                    v1::ListTlsReportsResponse* out) const;
  absl::Status Get(const Call& call, const v1::GetTlsReportRequest& in,
                   v1::GetTlsReportResponse* out) const;
  absl::Status Summarize(const Call& call, const v1::SummarizeTlsReportsRequest& in,
                         v1::SummarizeTlsReportsResponse* out) const;

 private:
  const ServiceParts& parts_;
  const ReportFollower& reports_;
  mutable std::timed_mutex summarizing_;  // held while reports are read: one summary at a time
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_TLS_REPORTS_H_
