#include "cli/report_text.h"

#include "fmt/format.h"

#include "cli/app.h"
#include "cli/messages.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

std::string PolicyText(v1::PolicyKind policy) {
  return policy == v1::POLICY_KIND_UNSPECIFIED
             ? "-"
             : EnumText(v1::PolicyKind_Name(policy), "POLICY_KIND_");
}

std::string DkimText(const v1::AggregateRecord& record) {
  std::vector<std::string> parts;
  for (const v1::DkimAuthResult& dkim : record.dkim()) {
    parts.push_back(fmt::format("{}={}", dkim.domain().value(), OrDash(dkim.result())));
  }
  return Join(parts, " ");
}

std::string SpfText(const v1::AggregateRecord& record) {
  std::vector<std::string> parts;
  for (const v1::SpfAuthResult& spf : record.spf()) {
    parts.push_back(fmt::format("{}={}", OrDash(spf.domain().value()), OrDash(spf.result())));
  }
  return Join(parts, " ");
}

std::vector<Column> RecordColumns() {
  return {{"ADDRESS"},
          {"MESSAGES", Align::kRight},
          {"DISPOSITION"},
          {"DKIM"},
          {"SPF"},
          {"HEADER_FROM"},
          {"ENVELOPE_FROM", Align::kLeft, true},
          {"DKIM_RESULTS", Align::kLeft, true},
          {"SPF_RESULTS", Align::kLeft, true},
          {"REASONS", Align::kLeft, true}};
}

std::vector<Cell> RecordCells(const v1::AggregateRecord& record) {
  std::vector<std::string> reasons;
  for (const v1::OverrideReason& reason : record.reasons()) reasons.push_back(reason.type());
  return {OrDash(record.source_address()),
          CountCell(record.message_count()),
          OrDash(record.disposition()),
          OrDash(record.dkim_aligned()),
          OrDash(record.spf_aligned()),
          record.header_from().value(),
          record.envelope_from().value(),
          DkimText(record),
          SpfText(record),
          Join(reasons, " ")};
}

}  // namespace

std::string ReleaseLine(const v1::ReportRelease& release) {
  std::string out =
      fmt::format("release {} by {}: {}", Text(release.release_time()),
                  EscapeForTerminal(release.released_by()), EscapeForTerminal(release.reason()));
  if (!release.quarantine_reason().empty()) {
    out += fmt::format(" (was quarantined: {})", EscapeForTerminal(release.quarantine_reason()));
  }
  return out + "\n";
}

std::string ArrivalText(const google::protobuf::Timestamp& time, const std::string& channel) {
  return fmt::format("{} by {}", Text(time), OrDash(channel));
}

Table RecordTable(const v1::AggregateReport& report) {
  Table table(RecordColumns());
  for (const v1::AggregateRecord& record : report.records()) {
    table.Add(record.source_address(), RecordCells(record));
  }
  return table;
}

void AddRecords(const v1::AggregateReport& report, const std::string& file,
                std::optional<Table>* table) {
  if (!table->has_value()) {
    std::vector<Column> columns = {{"FILE"}, {"DOMAIN"}, {"ORGANIZATION"}, {"REPORT_ID"}, {"DAY"}};
    for (Column& column : RecordColumns()) columns.push_back(std::move(column));
    table->emplace(std::move(columns));
  }
  for (const v1::AggregateRecord& record : report.records()) {
    std::vector<Cell> cells = {file, report.published_policy().domain(),
                               report.organization().value(), report.report_id().value(),
                               Text(report.date())};
    for (Cell& cell : RecordCells(record)) cells.push_back(std::move(cell));
    (*table)->Add(file, std::move(cells));
  }
}

Table ReportTable(const google::protobuf::RepeatedPtrField<v1::AggregateReport>& reports) {
  Table table({{"REPORT"},
               {"DAY"},
               {"ORGANIZATION"},
               {"RECORDS", Align::kRight},
               {"MESSAGES", Align::kRight},
               {"P"},
               {"FINDINGS", Align::kRight},
               {"TRUST"},
               {"REASON"},
               {"SUPERSEDED"},
               {"CHANNEL", Align::kLeft, true},
               {"REPORT_ID", Align::kLeft, true},
               {"RECEIVED", Align::kLeft, true}});
  for (const v1::AggregateReport& report : reports) {
    table.Add(report.name(),
              {std::string(LastSegment(report.name())), Text(report.date()),
               report.organization().value(), std::to_string(report.record_count()),
               CountCell(report.message_count()), PolicyText(report.published_policy().p()),
               std::to_string(report.finding_count()),
               EnumText(v1::TrustClass_Name(report.trust()), "TRUST_CLASS_"), report.trust_reason(),
               report.superseded() ? "yes" : "", report.channel(), report.report_id().value(),
               Text(report.receive_time())});
  }
  return table;
}

std::string ReportText(const v1::AggregateReport& report) {
  const v1::PublishedPolicy& policy = report.published_policy();
  std::string out = fmt::format(
      "{} about {}\nreport  {}\nperiod  {} to {} (day {})\npolicy  p={} sp={} np={} adkim={} "
      "aspf={}\n"
      "counts  {} records, {} messages\n",
      EscapeForTerminal(report.organization().value()), EscapeForTerminal(policy.domain()),
      EscapeForTerminal(report.report_id().value()), Text(report.period().start_time()),
      Text(report.period().end_time()), Text(report.date()), PolicyText(policy.p()),
      PolicyText(policy.sp()), PolicyText(policy.np()), OrDash(policy.adkim()),
      OrDash(policy.aspf()), report.record_count(), FormatCount(report.message_count()));
  if (report.trust() != v1::TRUST_CLASS_UNSPECIFIED) {  // of one that is stored
    out += TrustLines(report);
    if (report.has_release()) out += ReleaseLine(report.release());
    out += fmt::format("came    {}\n", ArrivalText(report.receive_time(), report.channel()));
  }
  for (const v1::ParseFinding& finding : report.findings()) {
    out += fmt::format("repair  {} at {}: '{}' read as '{}'{}\n", finding.code(), finding.path(),
                       EscapeForTerminal(finding.raw().value()),
                       EscapeForTerminal(finding.chosen().value()),
                       finding.material() ? " (material)" : "");
  }
  return out + RecordTable(report).Render(Format::kTable);
}

}  // namespace dmarcate::cli
