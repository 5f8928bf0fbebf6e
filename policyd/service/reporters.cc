#include "policyd/service/reporters.h"

#include <optional>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/report/repair_codes.h"
#include "lib/rpc/errors.h"
#include "lib/view/report_view.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"
#include "policyd/service/place.h"

namespace dmarcate {
namespace {

constexpr size_t kPageBytes = size_t{3} << 20;
constexpr size_t kHeadsPerRead = 1000;

// What is too long to be listed for every reporter.
enum class Detail : bool { kNo, kYes };

void Fill(const ReporterFinding& finding, Detail detail, v1::ReporterFinding* out) {
  out->set_code(finding.code);
  out->set_report_count(finding.reports);
  out->set_finding_count(finding.findings);
  out->set_material(finding.material);
  if (detail == Detail::kNo) return;
  if (const RepairMeaning* const meaning = FindRepairMeaning(finding.code)) {
    out->set_explanation(std::string(meaning->text));
    out->set_quirk(std::string(meaning->quirk));
  }
  out->set_last_report(
      DomainChildResource(finding.last.domain, kAggregateReports, finding.last.ToId()));
}

void Fill(const EvaluationCounts& counts, v1::ReporterEvaluation* out) {
  out->set_compared_record_count(counts.compared);
  out->set_contradicting_record_count(counts.contradicting);
  out->set_unsupported_pass_record_count(counts.unsupported_pass);
  out->set_unaligned_pass_record_count(counts.unaligned_pass);
  out->set_missed_pass_record_count(counts.missed_pass);
}

void Fill(const Rhythm& rhythm, v1::ReporterRhythm* out) {
  out->set_day_count(rhythm.days);
  out->set_usual_gap_days(rhythm.usual_gap);
  out->set_longest_gap_days(rhythm.longest_gap);
  out->set_silent_days(rhythm.silent);
  out->set_overdue(rhythm.overdue);
}

void FillNames(const ReporterRow& row, Detail detail, v1::Reporter* out) {
  out->set_name(ReporterResource(row.id));
  ToMessage(row.key, out->mutable_key());
  for (const std::string& name : row.organizations) ToMessage(name, out->add_organizations());
  for (const std::string& name : row.email_domains) ToMessage(name, out->add_email_domains());
  out->set_names_left_out(row.names_left_out);
  out->set_domain_count(row.domains);
  if (detail == Detail::kNo) return;
  for (const std::string& domain : row.domain_names) out->add_domains(DomainResource(domain));
}

void FillTimes(const ReporterRow& row, v1::Reporter* out) {
  if (row.reports == 0) return;
  *out->mutable_first_receive_time() = ToTimestamp(row.first_received);
  *out->mutable_last_receive_time() = ToTimestamp(row.last_received);
  if (row.last_end)
    *out->mutable_last_end_time() = ToTimestamp(absl::FromUnixSeconds(*row.last_end));
  if (row.median_delay) {
    out->mutable_median_delay()->set_seconds(absl::ToInt64Seconds(*row.median_delay));
  }
}

void FillCalendar(const ReporterRow& row, v1::Reporter* out) {
  out->mutable_day_report_counts()->Assign(row.day_reports.begin(), row.day_reports.end());
}

void Fill(const ReporterRow& row, Detail detail, v1::Reporter* out) {
  FillNames(row, detail, out);
  for (size_t trust = 0; trust < kTrustClasses; ++trust) {
    if (row.trust[trust] == 0) continue;
    v1::ReporterTrust* slice = out->add_trust();
    slice->set_trust(ToMessage(static_cast<TrustClass>(trust)));
    slice->set_report_count(row.trust[trust]);
  }
  out->set_report_count(row.reports);
  out->set_empty_report_count(row.empty_reports);
  out->set_superseded_report_count(row.superseded_reports);
  out->set_record_count(row.records);
  out->set_message_count(row.messages);
  FillTimes(row, out);
  out->set_rfc7489_report_count(row.rfc7489_reports);
  out->set_rfc9990_report_count(row.rfc9990_reports);
  out->set_rfc9989_report_count(row.rfc9989_reports);
  out->set_error_report_count(row.error_reports);
  out->set_cosmetic_report_count(row.cosmetic_reports);
  out->set_material_report_count(row.material_reports);
  for (const ReporterFinding& finding : row.findings) {
    Fill(finding, detail, out->add_findings());
  }
  Fill(row.evaluation, out->mutable_evaluation());
  Fill(row.rhythm, out->mutable_rhythm());
}

}  // namespace

absl::StatusOr<Reporters::Ledger> Reporters::Read(const Call& call, const v1::DateRange& asked,
                                                  const std::string& domain) {
  DMARCATE_ASSIGN_OR_RETURN(const DayRange range, ReadRange(asked, parts_.clock));
  std::vector<std::string> domains;
  if (domain.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(std::vector<DomainRecord> all, AllDomains(parts_.policies));
    for (DomainRecord& record : all) domains.push_back(std::move(record.name));
  } else {
    DMARCATE_ASSIGN_OR_RETURN(std::string name, ParseDomainResource(domain, "domain"));
    DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, name).status());
    domains.push_back(std::move(name));
  }
  DMARCATE_ASSIGN_OR_RETURN(ReportReader* const reader, reports_.Reader());

  const std::unique_lock lock(mutex_, absl::ToChronoTime(call.deadline()));
  if (!lock.owns_lock() || call.cancelled()) return Cancelled();
  // Read before the reports: what is committed meanwhile makes the next caller count again.
  const uint64_t version = reader->version();
  if (kept_ != nullptr && version_ == version && kept_->range == range && domains_ == domains) {
    return kept_;
  }
  kept_ = nullptr;  // before there are two
  DMARCATE_ASSIGN_OR_RETURN(Ledger ledger, Count(call, *reader, range, domains));
  kept_ = ledger;
  domains_ = std::move(domains);
  version_ = version;
  return ledger;
}

absl::StatusOr<Reporters::Ledger> Reporters::Count(const Call& call, ReportReader& reader,
                                                   const DayRange& range,
                                                   const std::vector<std::string>& domains) const {
  ReporterLedgerBuilder builder(range, suffixes_);
  for (const std::string& domain : domains) {
    DMARCATE_RETURN_IF_ERROR(
        reader.ForEachReport(domain, range.first, range.last, [&](const StoredReport& report) {
          if (!call.cancelled()) builder.Add(report);
          return !call.cancelled();
        }));
    // What another one supersedes is met here only, and its head is all that is needed.
    std::optional<ReportKey> from;
    do {
      if (call.cancelled()) return Cancelled();
      DMARCATE_ASSIGN_OR_RETURN(
          ReportReader::ReportPage page,
          reader.ListReports(domain, range.first, range.last, from, kHeadsPerRead));
      for (const StoredReport& report : page.reports) {
        if (!report.current) builder.Add(report);
      }
      from = std::move(page.next);
    } while (from);
  }
  return std::make_shared<const ReporterLedger>(builder.Finish());
}

absl::Status Reporters::List(const Call& call, const v1::ListReportersRequest& in,
                             v1::ListReportersResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListReporters", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::optional<Place> after,
                            ReadPlace(parts_.pages, scope, in.page_token()));
  DMARCATE_ASSIGN_OR_RETURN(const Ledger ledger, Read(call, in.date_range(), in.domain()));
  *out->mutable_date_range() = ToMessage(ledger->range);
  out->set_reporter_count(static_cast<int32_t>(ledger->reporters.size()));
  out->set_other_report_count(ledger->other_reports);
  out->set_other_uncounted_report_count(ledger->other_uncounted_reports);
  const ReporterRow* last = nullptr;
  size_t bytes = 0;
  for (const ReporterRow& row : ledger->reporters) {
    if (after && !after->IsBefore(row.reports, row.id)) continue;
    if (static_cast<size_t>(out->reporters_size()) == page_size || bytes > kPageBytes) {
      out->set_next_page_token(parts_.pages.Make(scope, Place{last->reports, last->id}.ToString()));
      break;
    }
    v1::Reporter* const reporter = out->add_reporters();
    Fill(row, Detail::kNo, reporter);
    if (in.with_calendar()) FillCalendar(row, reporter);
    bytes += reporter->ByteSizeLong();
    last = &row;
  }
  return absl::OkStatus();
}

absl::Status Reporters::Get(const Call& call, const v1::GetReporterRequest& in,
                            v1::GetReporterResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string id, ParseReporterResource(in.name(), "name"));
  DMARCATE_ASSIGN_OR_RETURN(const Ledger ledger, Read(call, in.date_range(), in.domain()));
  const ReporterRow* const row = ledger->Find(id);
  if (row == nullptr) return NotFound(in.name());
  Fill(*row, Detail::kYes, out->mutable_reporter());
  FillCalendar(*row, out->mutable_reporter());
  *out->mutable_date_range() = ToMessage(ledger->range);
  return absl::OkStatus();
}

}  // namespace dmarcate
