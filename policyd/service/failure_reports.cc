#include "policyd/service/failure_reports.h"

#include <optional>
#include <string>
#include <string_view>

#include "lib/base/status_macros.h"
#include "lib/view/failure_view.h"
#include "lib/view/report_view.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"

namespace dmarcate {
namespace {

constexpr std::string_view kFailureReports = "failureReports";
// A report is some 50 kB at most; gRPC's clients take 4 MiB if nobody tells them otherwise.
constexpr size_t kPageBytes = size_t{3} << 20;

// All but findings.
void Fill(const StoredFailureReport& stored, v1::FailureReport* out) {
  ToMessage(stored.report, out);
  out->set_name(DomainChildResource(stored.key.domain, kFailureReports, stored.key.ToId()));
  *out->mutable_date() = ToMessage(stored.key.day);
  out->set_trust(ToMessage(stored.trust));
  out->set_outcome(ToMessage(stored.outcome));
  *out->mutable_receive_time() = ToTimestamp(stored.received_time);
  out->set_channel(std::string(ChannelName(stored.channel)));
  out->set_redacted(stored.redacted);
  out->set_finding_count(static_cast<int32_t>(stored.repair_count));
}

}  // namespace

absl::Status FailureReports::List(const Call& call, const v1::ListFailureReportsRequest& in,
                                  v1::ListFailureReportsResponse* out) const {
  DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ParseDomainResource(in.parent(), "parent"));
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListFailureReports", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::string place, parts_.pages.Read(scope, in.page_token()));
  DMARCATE_ASSIGN_OR_RETURN(const DayRange range, ReadRange(in.date_range(), parts_.clock));
  DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, domain).status());
  std::optional<ReportKey> from;
  if (!place.empty()) from = ReportKey::FromId(domain, place);
  DMARCATE_ASSIGN_OR_RETURN(ReportReader* const reader, reports_.Reader());
  DMARCATE_ASSIGN_OR_RETURN(
      const ReportReader::FailureReportPage page,
      reader->ListFailureReports(domain, range.first, range.last, from, page_size));
  std::optional<ReportKey> next = page.next;
  size_t bytes = 0;
  for (const StoredFailureReport& stored : page.reports) {
    v1::FailureReport report;
    Fill(stored, &report);
    bytes += report.ByteSizeLong();
    if (bytes > kPageBytes && out->failure_reports_size() > 0) {
      next = stored.key;
      break;
    }
    *out->add_failure_reports() = std::move(report);
  }
  if (next) out->set_next_page_token(parts_.pages.Make(scope, next->ToId()));
  return absl::OkStatus();
}

absl::Status FailureReports::Get(const v1::GetFailureReportRequest& in,
                                 v1::GetFailureReportResponse* out) const {
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild child,
                            ParseDomainChild(in.name(), kFailureReports, "name"));
  DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, child.domain).status());
  const std::optional<ReportKey> key = ReportKey::FromId(child.domain, child.id);
  if (!key) return NotFound(in.name());
  DMARCATE_ASSIGN_OR_RETURN(ReportReader* const reader, reports_.Reader());
  const absl::StatusOr<StoredFailureReport> stored = reader->GetFailureReport(*key);
  if (absl::IsNotFound(stored.status())) return NotFound(in.name());
  DMARCATE_RETURN_IF_ERROR(stored.status());
  v1::FailureReport* report = out->mutable_failure_report();
  Fill(*stored, report);
  for (const Repair& repair : stored->repairs) ToMessage(repair, report->add_findings());
  return absl::OkStatus();
}

}  // namespace dmarcate
