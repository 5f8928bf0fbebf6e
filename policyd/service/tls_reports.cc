#include "policyd/service/tls_reports.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/view/report_view.h"
#include "lib/view/tls_view.h"
#include "policyd/analysis/tls_summary.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"
#include "policyd/service/report_listing.h"

namespace dmarcate {
namespace {

constexpr int kRowsPerPage = 1000;  // policies, and failure details
constexpr size_t kPageBytes = size_t{3} << 20;

int64_t Clamp(uint64_t count) {
  return static_cast<int64_t>(std::min<uint64_t>(count, std::numeric_limits<int64_t>::max()));
}

// All but policies and findings.
void Fill(const StoredTlsReport& stored, v1::TlsReport* out) {
  ToMessage(stored.report, out);
  out->set_name(DomainChildResource(stored.key.domain, kTlsReports, stored.key.ToId()));
  *out->mutable_date() = ToMessage(stored.key.day);
  out->set_trust(ToMessage(stored.trust));
  out->set_trust_reason(std::string(TrustReasonName(stored.reason)));
  out->set_outcome(ToMessage(stored.outcome));
  *out->mutable_receive_time() = ToTimestamp(stored.received_time);
  out->set_channel(std::string(ChannelName(stored.channel)));
  out->set_superseded(!stored.current);
  out->set_policy_count(static_cast<int32_t>(stored.policy_count));
  out->set_failure_detail_count(static_cast<int32_t>(stored.detail_count));
  out->set_finding_count(static_cast<int32_t>(stored.repair_count));
  out->set_successful_session_count(Clamp(stored.successful_sessions));
  out->set_failed_session_count(Clamp(stored.failed_sessions));
}

// Where a page of a report begins: at a policy, and at one of its failure details.
struct Place {
  size_t policy = 0, detail = 0;
  std::string ToString() const { return fmt::format("{}/{}", policy, detail); }
  static Place FromString(std::string_view text) {
    Place place;
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    const auto [slash, error] = std::from_chars(begin, end, place.policy);
    if (error == std::errc() && slash < end) std::from_chars(slash + 1, end, place.detail);
    return place;
  }
};

// Adds what fits on a page from `at` on, and gives where the next one begins. A page has one policy
// at least.
std::optional<Place> FillPage(const TlsReport& report, Place at, v1::TlsReport* out) {
  size_t bytes = out->ByteSizeLong();
  int details = 0;
  for (; at.policy < report.policies.size(); ++at.policy, at.detail = 0) {
    if (out->policies_size() == kRowsPerPage || (bytes > kPageBytes && out->policies_size() > 0)) {
      return at;
    }
    const TlsReport::PolicyResult& policy = report.policies[at.policy];
    v1::TlsPolicyResult* result = out->add_policies();
    ToMessage(policy, result);
    result->set_policy_number(static_cast<int32_t>(at.policy + 1));
    bytes += result->ByteSizeLong();
    for (; at.detail < policy.failures.size(); ++at.detail) {
      v1::TlsFailureDetail detail;
      ToMessage(policy.failures[at.detail], &detail);
      bytes += detail.ByteSizeLong();
      if (details == kRowsPerPage || (bytes > kPageBytes && details > 0)) return at;
      *result->add_failure_details() = std::move(detail);
      ++details;
    }
  }
  return std::nullopt;
}

void Fill(const TlsSummary& summary, v1::SummarizeTlsReportsResponse* out) {
  out->set_report_count(static_cast<int32_t>(summary.reports));
  out->set_uncounted_report_count(static_cast<int32_t>(summary.uncounted_reports));
  const auto set_sessions = [](const TlsSessions& sessions, auto* row) {
    row->set_successful_session_count(Clamp(sessions.successful));
    row->set_failed_session_count(Clamp(sessions.failed));
  };
  const auto set_slices = [&](const TlsSlices& by_trust, auto* row) {
    for (size_t trust = 0; trust < kTrustClasses; ++trust) {
      if (by_trust[trust].reports == 0) continue;
      v1::TlsTrustSlice* slice = row->add_trust();
      slice->set_trust(ToMessage(static_cast<TrustClass>(trust)));
      slice->set_report_count(static_cast<int32_t>(by_trust[trust].reports));
      set_sessions(by_trust[trust].sessions, slice);
    }
  };
  for (const auto& [type, counts] : summary.policy_types) {
    v1::TlsPolicyTypeSummary* row = out->add_policy_types();
    ToMessage(type, row->mutable_policy_type());
    set_sessions(counts.sessions, row);
    set_slices(counts.by_trust, row);
  }
  for (const auto& [key, counts] : summary.days) {
    v1::TlsDaySummary* row = out->add_days();
    *row->mutable_date() = ToMessage(key.first);
    ToMessage(key.second, row->mutable_policy_type());
    set_sessions(counts.sessions, row);
    set_slices(counts.by_trust, row);
  }
  for (const TlsFailureRow& failure : summary.failures) {
    if (out->failures_size() == kRowsPerPage) break;
    v1::TlsFailureSummary* row = out->add_failures();
    ToMessage(failure.result_type, row->mutable_result_type());
    ToMessage(failure.mx_host, row->mutable_receiving_mx_hostname());
    row->set_failed_session_count(Clamp(failure.failed));
    row->set_report_count(static_cast<int32_t>(failure.reports));
    *row->mutable_first_date() = ToMessage(failure.first_day);
    *row->mutable_last_date() = ToMessage(failure.last_day);
    set_slices(failure.by_trust, row);
  }
  out->set_failures_left_out(static_cast<int32_t>(summary.failures.size()) - out->failures_size());
  for (const TlsReporterRow& reporter : summary.reporters) {
    if (out->reporters_size() == kRowsPerPage) break;
    v1::TlsReporterSummary* row = out->add_reporters();
    ToMessage(reporter.reporter, row->mutable_reporter());
    row->set_report_count(static_cast<int32_t>(reporter.reports));
    set_sessions(reporter.sessions, row);
    *row->mutable_last_date() = ToMessage(reporter.last_day);
    set_slices(reporter.by_trust, row);
  }
  out->set_reporters_left_out(static_cast<int32_t>(summary.reporters.size()) -
                              out->reporters_size());
}

}  // namespace

absl::Status TlsReports::List(const Call& call, const v1::ListTlsReportsRequest& in,
                              v1::ListTlsReportsResponse* out) const {
  DMARCATE_ASSIGN_OR_RETURN(const ReportListing asked,
                            ReadReportListing(parts_, call, "ListTlsReports", in));
  DMARCATE_ASSIGN_OR_RETURN(ReportReader* const reader, reports_.Reader());
  DMARCATE_ASSIGN_OR_RETURN(
      const auto page, reader->ListTlsReports(asked.domain, asked.range.first, asked.range.last,
                                              asked.from, asked.page_size));
  const std::optional<ReportKey> next =
      FillListing(page.reports, page.next, &Fill, out->mutable_tls_reports());
  if (next) out->set_next_page_token(parts_.pages.Make(asked.scope, next->ToId()));
  return absl::OkStatus();
}

absl::Status TlsReports::Get(const Call& call, const v1::GetTlsReportRequest& in,
                             v1::GetTlsReportResponse* out) const {
  const std::string scope = PageScope("GetTlsReport", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::string place,
                            parts_.pages.Read(scope, in.record_page_token()));
  DMARCATE_ASSIGN_OR_RETURN(const ReportKey key, ReadReportName(parts_, in.name(), kTlsReports));
  DMARCATE_ASSIGN_OR_RETURN(ReportReader* const reader, reports_.Reader());
  const absl::StatusOr<StoredTlsReport> stored = reader->GetTlsReport(key);
  if (absl::IsNotFound(stored.status())) return NotFound(in.name());
  DMARCATE_RETURN_IF_ERROR(stored.status());
  v1::TlsReport* report = out->mutable_tls_report();
  Fill(*stored, report);
  if (place.empty()) {
    for (const Repair& repair : stored->repairs) ToMessage(repair, report->add_findings());
  }
  if (const auto next = FillPage(stored->report, Place::FromString(place), report)) {
    out->set_next_record_page_token(parts_.pages.Make(scope, next->ToString()));
  }
  return absl::OkStatus();
}

absl::Status TlsReports::Summarize(const Call& call, const v1::SummarizeTlsReportsRequest& in,
                                   v1::SummarizeTlsReportsResponse* out) const {
  DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ParseDomainResource(in.parent(), "parent"));
  DMARCATE_ASSIGN_OR_RETURN(const DayRange range, ReadRange(in.date_range(), parts_.clock));
  DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, domain).status());
  DMARCATE_ASSIGN_OR_RETURN(ReportReader* const reader, reports_.Reader());
  const std::unique_lock lock(summarizing_, absl::ToChronoTime(call.deadline()));
  if (!lock.owns_lock() || call.cancelled()) return Cancelled();
  TlsSummarizer summarizer;
  DMARCATE_RETURN_IF_ERROR(
      reader->ForEachTlsReport(domain, range.first, range.last, [&](const StoredTlsReport& stored) {
        summarizer.Add(stored);
        return !call.cancelled();
      }));
  if (call.cancelled()) return Cancelled();
  *out->mutable_date_range() = ToMessage(range);
  Fill(summarizer.Finish(), out);
  return absl::OkStatus();
}

}  // namespace dmarcate
