#include "cli/stats_text.h"

#include <string>
#include <utility>
#include <vector>

#include "cli/messages.h"

namespace dmarcate::cli {
namespace {

void AddRow(const std::string& key, const v1::SimulationCounts& counts, Table* table) {
  const int64_t refused = counts.quarantine_count() + counts.reject_count();
  table->Add(key,
             {key, CountCell(counts.message_count()),
              RateCell(counts.passed_count(), counts.message_count()),
              RateCell(counts.would_pass_count(), counts.message_count()),
              CountCell(counts.message_count() - refused), CountCell(counts.quarantine_count()),
              CountCell(counts.reject_count()), CountCell(counts.newly_refused_count()),
              CountCell(counts.newly_delivered_count()), CountCell(counts.excused_count()),
              CountCell(counts.assumed_count()),
              CountCell(counts.quarantined_then_count() + counts.rejected_then_count())});
}

}  // namespace

Table BreakdownTable(const v1::QueryBreakdownResponse& response) {
  std::vector<Column> columns = {{"KEY"}};
  for (Column& column : CountColumns()) columns.push_back(std::move(column));
  Table table(std::move(columns));
  for (const v1::BreakdownRow& row : response.rows()) {
    std::vector<Cell> cells = {row.key()};
    AppendCounts(row.counts(), &cells);
    table.Add(row.key(), std::move(cells));
  }
  return table;
}

Table TimeSeriesTable(const v1::QueryTimeSeriesResponse& response) {
  std::vector<Column> columns = {{"DAY"}};
  for (Column& column : CountColumns()) columns.push_back(std::move(column));
  columns.push_back({"REPORTS", Align::kRight});
  columns.push_back({"ESTIMATED", Align::kLeft, true});
  columns.push_back({"EXPIRED", Align::kRight, true});
  Table table(std::move(columns));
  for (const v1::TimeSeriesPoint& point : response.points()) {
    std::vector<Cell> cells = {Text(point.date())};
    AppendCounts(point.counts(), &cells);
    cells.push_back(std::to_string(point.report_count()));
    cells.push_back(point.estimated() ? "yes" : "");
    cells.push_back(std::to_string(point.expired_message_count()));
    table.Add(Text(point.date()), std::move(cells));
  }
  return table;
}

Table SimulationTable(const v1::SimulatePolicyResponse& response, std::string_view by) {
  Table table({{"KEY"},
               {"MESSAGES", Align::kRight},
               {"PASSED", Align::kRight},
               {"WOULD_PASS", Align::kRight},
               {"DELIVERED", Align::kRight},
               {"QUARANTINE", Align::kRight},
               {"REJECT", Align::kRight},
               {"NEWLY_REFUSED", Align::kRight},
               {"NEWLY_DELIVERED", Align::kRight, true},
               {"EXCUSED", Align::kRight},
               {"ASSUMED", Align::kRight, true},
               {"REFUSED_THEN", Align::kRight, true}});
  if (by == "trust") {
    for (const v1::SimulationTrustSlice& slice : response.trust()) {
      AddRow(EnumText(v1::TrustClass_Name(slice.trust()), "TRUST_CLASS_"), slice.counts(), &table);
    }
    return table;
  }
  const auto& rows = by == "reporter" ? response.reporters() : response.sources();
  for (const v1::SimulationRow& row : rows) AddRow(row.key(), row.counts(), &table);
  return table;
}

}  // namespace dmarcate::cli
