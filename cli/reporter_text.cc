#include "cli/reporter_text.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/civil_time.h"
#include "fmt/format.h"

#include "cli/app.h"
#include "cli/messages.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

std::string DayText(const google::protobuf::Timestamp& time) { return Text(time).substr(0, 10); }

// "45m", "7h", "3d": the two largest units would say more than such a figure holds.
std::string DelayText(const v1::Reporter& reporter) {
  if (!reporter.has_median_delay()) return "-";
  const int64_t seconds = reporter.median_delay().seconds();
  if (seconds < 0) return "early";
  if (seconds < 3600) return fmt::format("{}m", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86400);
}

std::string StateText(const v1::Reporter& reporter) {
  if (reporter.report_count() == 0) return "claimed";
  return reporter.rhythm().overdue() ? "overdue" : "";
}

std::string TrustText(const v1::Reporter& reporter) {
  std::vector<std::string> parts;
  for (const v1::ReporterTrust& slice : reporter.trust()) {
    parts.push_back(fmt::format("{} {}", FormatCount(slice.report_count()),
                                EnumText(v1::TrustClass_Name(slice.trust()), "TRUST_CLASS_")));
  }
  return Join(parts, ", ");
}

std::string NamesText(const google::protobuf::RepeatedPtrField<v1::UntrustedText>& names) {
  std::vector<std::string> parts;
  for (const v1::UntrustedText& name : names) parts.push_back(name.value());
  return Join(parts, ", ");
}

std::string CodesText(const v1::Reporter& reporter) {
  std::vector<std::string> parts;
  for (const v1::ReporterFinding& finding : reporter.findings()) {
    parts.push_back(fmt::format("{} {}", finding.code(), finding.report_count()));
  }
  return Join(parts, ", ");
}

absl::CivilDay DayOf(const v1::Date& date) {
  return absl::CivilDay(date.year(), date.month(), date.day());
}

// Lines of "label  text".
class Lines {
 public:
  void Add(std::string_view label, std::string_view text) {
    if (!text.empty()) text_ += fmt::format("{:<11} {}\n", label, EscapeForTerminal(text));
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string FormatsText(const v1::Reporter& reporter) {
  return fmt::format("{} RFC 7489, {} RFC 9990; {} with tags of RFC 9989",
                     FormatCount(reporter.rfc7489_report_count()),
                     FormatCount(reporter.rfc9990_report_count()),
                     FormatCount(reporter.rfc9989_report_count()));
}

std::string RhythmText(const v1::ReporterRhythm& rhythm) {
  std::string out = fmt::format("{} days with a report", rhythm.day_count());
  if (rhythm.usual_gap_days() > 0) {
    out += fmt::format(", usually every {}, at longest {} apart", rhythm.usual_gap_days(),
                       rhythm.longest_gap_days());
  }
  return out + fmt::format("; the last one {} days before the end{}", rhythm.silent_days(),
                           rhythm.overdue() ? ": overdue" : "");
}

std::string EvaluationText(const v1::ReporterEvaluation& evaluation) {
  if (evaluation.compared_record_count() == 0) return "";
  return fmt::format(
      "{} of {} records contradict their own results: {} say pass without an "
      "aligned one ({} have one that is not aligned), {} say no pass despite one",
      FormatCount(evaluation.contradicting_record_count()),
      FormatCount(evaluation.compared_record_count()),
      FormatCount(evaluation.unsupported_pass_record_count()),
      FormatCount(evaluation.unaligned_pass_record_count()),
      FormatCount(evaluation.missed_pass_record_count()));
}

std::string FindingText(const v1::ReporterFinding& finding) {
  std::string out = fmt::format(
      "finding     {}: {} in {} reports{}{}\n", EscapeForTerminal(finding.code()),
      FormatCount(finding.finding_count()), FormatCount(finding.report_count()),
      finding.material() ? ", material" : "",
      finding.quirk().empty() ? "" : fmt::format(" ({})", EscapeForTerminal(finding.quirk())));
  if (!finding.explanation().empty()) {
    out += fmt::format("            {}\n", EscapeForTerminal(finding.explanation()));
  }
  return out + fmt::format("            last in {}\n", EscapeForTerminal(finding.last_report()));
}

}  // namespace

Table ReporterTable(const google::protobuf::RepeatedPtrField<v1::Reporter>& reporters) {
  std::vector<Column> columns = {{"REPORTER"}};
  for (const char* title : {"REPORTS", "MESSAGES", "REPAIRED", "MATERIAL", "DIFFER", "DELAY"}) {
    columns.push_back({title, Align::kRight});
  }
  columns.push_back({"LAST"});
  columns.push_back({"STATE"});
  for (const char* title : {"EMPTY", "SUPERSEDED", "RECORDS", "DOMAINS", "RFC9990", "RFC9989"}) {
    columns.push_back({title, Align::kRight, true});
  }
  for (const char* title : {"FIRST", "TRUST", "ORGANIZATIONS", "FINDINGS"}) {
    columns.push_back({title, Align::kLeft, true});
  }
  Table table(std::move(columns));
  for (const v1::Reporter& reporter : reporters) {
    const int64_t material = reporter.material_report_count();
    std::vector<Cell> cells = {std::string(LastSegment(reporter.name()))};
    for (const int64_t count : {reporter.report_count(), reporter.message_count(),
                                reporter.cosmetic_report_count() + material, material}) {
      cells.push_back(CountCell(count));
    }
    cells.push_back(RateCell(reporter.evaluation().contradicting_record_count(),
                             reporter.evaluation().compared_record_count()));
    cells.push_back(DelayText(reporter));
    cells.push_back(DayText(reporter.last_receive_time()));
    cells.push_back(StateText(reporter));
    for (const int64_t count : {reporter.empty_report_count(), reporter.superseded_report_count(),
                                reporter.record_count(), int64_t{reporter.domain_count()},
                                reporter.rfc9990_report_count(), reporter.rfc9989_report_count()}) {
      cells.push_back(CountCell(count));
    }
    cells.push_back(DayText(reporter.first_receive_time()));
    cells.push_back(TrustText(reporter));
    cells.push_back(NamesText(reporter.organizations()));
    cells.push_back(CodesText(reporter));
    table.Add(reporter.name(), std::move(cells));
  }
  return table;
}

std::string ReporterText(const v1::Reporter& reporter) {
  Lines lines;
  const std::string more = reporter.names_left_out() ? ", ..." : "";
  lines.Add("reporter", reporter.key().value());
  lines.Add("names", NamesText(reporter.organizations()) + more);
  lines.Add("mail", NamesText(reporter.email_domains()));
  lines.Add("trust", TrustText(reporter));
  if (reporter.report_count() == 0) {
    lines.Add("reports", "none that counts: nobody vouches that they are this reporter's");
    return lines.Take();
  }
  lines.Add("reports",
            fmt::format("{}, {} of them empty; {} superseded", FormatCount(reporter.report_count()),
                        FormatCount(reporter.empty_report_count()),
                        FormatCount(reporter.superseded_report_count())));
  lines.Add("content", fmt::format("{} messages in {} records, {} domains",
                                   FormatCount(reporter.message_count()),
                                   FormatCount(reporter.record_count()), reporter.domain_count()));
  std::vector<std::string> domains;
  for (const std::string& domain : reporter.domains()) domains.emplace_back(LastSegment(domain));
  lines.Add("domains", Join(domains, ", ") +
                           (reporter.domains_size() < reporter.domain_count() ? ", ..." : ""));
  lines.Add("received", fmt::format("{} to {}", Text(reporter.first_receive_time()),
                                    Text(reporter.last_receive_time())));
  lines.Add("period", fmt::format("to {}", Text(reporter.last_end_time())));
  if (reporter.has_median_delay()) {
    lines.Add("delay", fmt::format("{} from the end of a period to receipt, the middle of all",
                                   DelayText(reporter)));
  }
  lines.Add("rhythm", RhythmText(reporter.rhythm()));
  lines.Add("formats", FormatsText(reporter));
  lines.Add("errors", reporter.error_report_count() == 0
                          ? ""
                          : fmt::format("{} reports tell of an error",
                                        FormatCount(reporter.error_report_count())));
  lines.Add("repaired", fmt::format("{} reports cosmetically, {} materially",
                                    FormatCount(reporter.cosmetic_report_count()),
                                    FormatCount(reporter.material_report_count())));
  lines.Add("evaluation", EvaluationText(reporter.evaluation()));
  std::string out = lines.Take();
  for (const v1::ReporterFinding& finding : reporter.findings()) out += FindingText(finding);
  return out;
}

Table CalendarTable(const google::protobuf::RepeatedPtrField<v1::Reporter>& reporters,
                    const v1::DateRange& range) {
  Table table({{"REPORTER"}, {"DATE"}, {"REPORTS", Align::kRight}});
  const absl::CivilDay first = DayOf(range.first_date());
  for (const v1::Reporter& reporter : reporters) {
    for (int i = 0; i < reporter.day_report_counts_size(); ++i) {
      table.Add(reporter.name(),
                {std::string(LastSegment(reporter.name())), absl::FormatCivilTime(first + i),
                 CountCell(reporter.day_report_counts(i))});
    }
  }
  return table;
}

std::string CalendarText(const google::protobuf::RepeatedPtrField<v1::Reporter>& reporters,
                         const v1::DateRange& range) {
  constexpr int kWeek = 7, kWeeksBeside = 9, kNameWidth = 24;
  const absl::CivilDay first = DayOf(range.first_date());
  const int days = static_cast<int>(DayOf(range.last_date()) - first) + 1;
  std::string out;
  for (int from = 0; from < days; from += kWeek * kWeeksBeside) {
    const int to = std::min(days, from + kWeek * kWeeksBeside);
    if (from > 0) out += "\n";
    std::string line = fmt::format("{:<{}}", "", kNameWidth);
    for (int day = from; day < to; day += kWeek) {
      const absl::CivilDay date = first + day;
      line += fmt::format(" {:02}-{:02}  ", date.month(), date.day());
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    for (const v1::Reporter& reporter : reporters) {
      if (reporter.day_report_counts().empty()) continue;  // nobody vouches for its reports
      const std::string name = EscapeForTerminal(LastSegment(reporter.name()));
      line = fmt::format("{:<{}}", name.substr(0, kNameWidth), kNameWidth);
      for (int day = from; day < to && day < reporter.day_report_counts_size(); ++day) {
        const int count = reporter.day_report_counts(day);
        if ((day - from) % kWeek == 0) line += ' ';
        line += count <= 0 ? '.' : count > 9 ? '+' : static_cast<char>('0' + count);
      }
      out += line + "\n";
    }
  }
  return out;
}

}  // namespace dmarcate::cli
