// cli/report_text.h
// An aggregate report as tables, the same for `reports get` (stored) and `parse` (a file); and what
// the tables of other reports share with them.

#ifndef DMARCATE_CLI_REPORT_TEXT_H_
#define DMARCATE_CLI_REPORT_TEXT_H_

#include <optional>
#include <string>
#include <string_view>

#include "fmt/format.h"

#include "cli/output.h"
#include "cli/trust_text.h"
#include "dmarcate/v1/report.pb.h"

namespace dmarcate::cli {

// "-" where a report says nothing.
inline std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

// "2026-06-29T10:00:00Z by smtp"
std::string ArrivalText(const google::protobuf::Timestamp& time, const std::string& channel);

// Who let it out of quarantine, when and why.
std::string ReleaseLine(const v1::ReportRelease& release);
// How far a report is believed, why, and what to do next.
template <typename Report>
std::string TrustLines(const Report& report) {
  std::string out = fmt::format(
      "trust   {}\n", StandingText(report.trust(), report.trust_reason(), report.superseded()));
  const std::string_view next = NextStep(report.trust_reason());
  return next.empty() ? out : out + fmt::format("next    {}\n", next);
}

// Head, records and findings, for people.
std::string ReportText(const v1::AggregateReport& report);
// One row a record.
Table RecordTable(const v1::AggregateReport& report);
// The same with the file and the report in front of each row, for many reports in one table; makes
// `table` at the first call.
void AddRecords(const v1::AggregateReport& report, const std::string& file,
                std::optional<Table>* table);
// One row a report.
Table ReportTable(const google::protobuf::RepeatedPtrField<v1::AggregateReport>& reports);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_REPORT_TEXT_H_
