// policyd/analysis/reporter_ledger.h
// The ledger of reporters: from the reports of a range of days one row for each who sends them,
// with what it sends, what had to be repaired (report-quirks, G3), and whether it still does. Pure.
//
// A row is about the reports that count. UNVERIFIED and QUARANTINED ones are claims in a name that
// nobody vouches for: they are counted by class, and say nothing about a reporter.
//
// Bounded, whatever names strangers invent: at most kMaxReporters rows of reporters that count, and
// every anchor; at most kMaxReporters names that nobody vouches for, so that those push nobody out.

#ifndef DMARCATE_POLICYD_ANALYSIS_REPORTER_LEDGER_H_
#define DMARCATE_POLICYD_ANALYSIS_REPORTER_LEDGER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/base/time.h"
#include "lib/mailauth/alignment.h"
#include "lib/store/report_store.h"
#include "policyd/analysis/spread.h"
#include "policyd/analysis/statistics.h"

namespace dmarcate {

inline constexpr size_t kMaxReporters = 2'000;
inline constexpr size_t kMaxOrganizations = 16;    // of one reporter
inline constexpr size_t kMaxEmailDomains = 8;      // of one reporter
inline constexpr size_t kMaxNameBytes = 256;       // of a name; longer ones are cut
inline constexpr size_t kMaxFindingCodes = 40;     // of one reporter; others are kOverflowKey
inline constexpr size_t kMaxDomainsListed = 20;    // of one reporter
inline constexpr int32_t kFewestDaysOfRhythm = 5;  // below, nobody is overdue
inline constexpr int32_t kOverdueGraceDays = 2;    // a day's report comes the day after, or later

// The id of a reporter in the API: 1 to 128 of a-z, 0-9, '.', '-', '_'. Different for different
// keys.
std::string ReporterId(std::string_view key);

struct ReporterFinding {
  std::string code;
  int64_t reports = 0, findings = 0;
  bool material = false;
  ReportKey last;  // of the latest day
};
struct EvaluationCounts {  // records; see EvaluationCheck
  int64_t compared = 0, contradicting = 0;
  int64_t unsupported_pass = 0, unaligned_pass = 0, missed_pass = 0;
  friend bool operator==(const EvaluationCounts&, const EvaluationCounts&) = default;
};
struct Rhythm {
  int32_t days = 0;  // with a report
  int32_t usual_gap = 0, longest_gap = 0, silent = 0;
  bool overdue = false;
  friend bool operator==(const Rhythm&, const Rhythm&) = default;
};
// `days`: with a report; ascending, each once. `last`: the end of the range.
Rhythm RhythmOf(const std::vector<DayNumber>& days, DayNumber last);

struct ReporterRow {
  std::string id, key;
  std::vector<std::string> organizations, email_domains;  // in most reports first
  bool names_left_out = false;
  std::array<int64_t, kTrustClasses> trust{};  // all reports, by the number of TrustClass

  int64_t reports = 0, empty_reports = 0;
  int64_t superseded_reports = 0;  // not in `reports`
  int64_t records = 0, messages = 0;
  int64_t rfc7489_reports = 0, rfc9990_reports = 0;
  int64_t rfc9989_reports = 0;  // with a tag that only RFC 9989 has
  int64_t error_reports = 0;
  int64_t cosmetic_reports = 0, material_reports = 0;
  int32_t domains = 0;
  std::vector<std::string> domain_names;  // by name, at most kMaxDomainsListed

  absl::Time first_received = absl::InfiniteFuture(), last_received = absl::InfinitePast();
  std::optional<int64_t> last_end;             // seconds since 1970, as sent
  std::optional<absl::Duration> median_delay;  // of what came by mail
  std::vector<ReporterFinding> findings;       // in most reports first
  EvaluationCounts evaluation;
  Rhythm rhythm;
  // Reports by day of the range, the first day first; empty for one whose reports do not count.
  std::vector<int32_t> day_reports;
};

struct ReporterLedger {
  DayRange range;
  std::vector<ReporterRow> reporters;  // most reports first, then by id
  int64_t other_reports = 0;           // of reporters beyond the limit
  int64_t other_uncounted_reports = 0;

  const ReporterRow* Find(std::string_view id) const;
};

// Not thread-safe. Add() each report of the range once: all of one domain before the next one, the
// domains by name; then Finish().
class ReporterLedgerBuilder {
 public:
  // `suffixes` outlives it.
  ReporterLedgerBuilder(const DayRange& range, const PublicSuffixList& suffixes);
  ~ReporterLedgerBuilder();
  ReporterLedgerBuilder(const ReporterLedgerBuilder&) = delete;
  ReporterLedgerBuilder& operator=(const ReporterLedgerBuilder&) = delete;

  // Of a report that is not current only the head is looked at. What lies outside the range is left
  // out.
  void Add(const StoredReport& report);
  ReporterLedger Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_REPORTER_LEDGER_H_
