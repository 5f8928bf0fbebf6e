#include "policyd/service/failure_reports.h"

#include <optional>
#include <string>
#include <string_view>

#include "lib/base/status_macros.h"
#include "lib/view/failure_view.h"
#include "lib/view/report_view.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"
#include "policyd/service/report_listing.h"

namespace dmarcate {
namespace {

// All but findings.
void Fill(const StoredFailureReport& stored, v1::FailureReport* out) {
  ToMessage(stored.report, out);
  out->set_name(DomainChildResource(stored.key.domain, kFailureReports, stored.key.ToId()));
  *out->mutable_date() = ToMessage(stored.key.day);
  out->set_trust(ToMessage(stored.trust));
  out->set_trust_reason(std::string(TrustReasonName(stored.reason)));
  out->set_outcome(ToMessage(stored.outcome));
  *out->mutable_receive_time() = ToTimestamp(stored.received_time);
  out->set_channel(std::string(ChannelName(stored.channel)));
  out->set_redacted(stored.redacted);
  out->set_finding_count(static_cast<int32_t>(stored.repair_count));
}

}  // namespace

absl::Status FailureReports::List(const Call& call, const v1::ListFailureReportsRequest& in,
                                  v1::ListFailureReportsResponse* out) const {
  DMARCATE_ASSIGN_OR_RETURN(const ReportListing asked,
                            ReadReportListing(parts_, call, "ListFailureReports", in));
  DMARCATE_ASSIGN_OR_RETURN(ReportReader* const reader, reports_.Reader());
  DMARCATE_ASSIGN_OR_RETURN(
      const auto page, reader->ListFailureReports(asked.domain, asked.range.first, asked.range.last,
                                                  asked.from, asked.page_size));
  const std::optional<ReportKey> next =
      FillListing(page.reports, page.next, &Fill, out->mutable_failure_reports());
  if (next) out->set_next_page_token(parts_.pages.Make(asked.scope, next->ToId()));
  return absl::OkStatus();
}

absl::Status FailureReports::Get(const v1::GetFailureReportRequest& in,
                                 v1::GetFailureReportResponse* out) const {
  DMARCATE_ASSIGN_OR_RETURN(const ReportKey key,
                            ReadReportName(parts_, in.name(), kFailureReports));
  DMARCATE_ASSIGN_OR_RETURN(ReportReader* const reader, reports_.Reader());
  const absl::StatusOr<StoredFailureReport> stored = reader->GetFailureReport(key);
  if (absl::IsNotFound(stored.status())) return NotFound(in.name());
  DMARCATE_RETURN_IF_ERROR(stored.status());
  v1::FailureReport* report = out->mutable_failure_report();
  Fill(*stored, report);
  for (const Repair& repair : stored->repairs) ToMessage(repair, report->add_findings());
  return absl::OkStatus();
}

}  // namespace dmarcate
