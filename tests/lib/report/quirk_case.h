// tests/lib/report/quirk_case.h
// One quirk as a row of a table: a good report, what is changed in it, and what must come of it.
// Rows are named after the ids of report-quirks.

#ifndef DMARCATE_TESTS_LIB_REPORT_QUIRK_CASE_H_
#define DMARCATE_TESTS_LIB_REPORT_QUIRK_CASE_H_

#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/report/aggregate.h"

namespace dmarcate {

// Two records: 192.0.2.1 with 2 messages (DKIM aligned), 192.0.2.2 with 3 (nothing aligned). Reads
// with outcome kAccepted and no repair.
std::string GoodReport();

// GoodReport() with the first occurrence of `from` replaced; fails the test if there is none.
std::string Changed(std::string_view from, std::string_view to);
std::string Replaced(std::string text, std::string_view from, std::string_view to);

// Received on 2023-11-16 in a mail from receiver.example; no file name, no subject.
ReportHints Hints();

// "code path [raw] -> [chosen]", with " material" after it.
std::vector<std::string> RepairTexts(const ParsedAggregate& parsed);
// Exactly one result.
ParsedAggregate ParseOne(std::string document, const ReportHints& hints = Hints(),
                         const AggregateLimits& limits = {});

struct QuirkCase {
  std::string name;  // "R12_Milliseconds"
  std::string document;
  Outcome outcome = Outcome::kAccepted;
  std::vector<std::string> repairs;
  void (*check)(const AggregateReport& report) = nullptr;  // further facts
};
void PrintTo(const QuirkCase& c, std::ostream* out);
// Parses `c.document` and compares.
void CheckQuirk(const QuirkCase& c);

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_REPORT_QUIRK_CASE_H_
