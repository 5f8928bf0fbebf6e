// policyd/analysis/tls_summary.h
// What a domain's TLS reports (RFC 8460) come to: sessions by policy type, day and reporter, and
// failed sessions by kind of failure and mail server.
//
// Counts of one kind are added up, and nothing else: failure details overlap, and a session may be
// counted under two policies (RFC 8460 section 4.4). A report belongs to the day of its midpoint.
// Each row is split by the trust class of the reports that it comes from.

#ifndef DMARCATE_POLICYD_ANALYSIS_TLS_SUMMARY_H_
#define DMARCATE_POLICYD_ANALYSIS_TLS_SUMMARY_H_

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/time.h"
#include "lib/store/report_store.h"
#include "policyd/analysis/statistics.h"

namespace dmarcate {

// Saturating.
struct TlsSessions {
  uint64_t successful = 0, failed = 0;
  void Add(uint64_t more_successful, uint64_t more_failed);
  uint64_t total() const;
  friend bool operator==(const TlsSessions&, const TlsSessions&) = default;
};
// What reports of one trust class say of a row.
struct TlsSlice {
  int64_t reports = 0;
  TlsSessions sessions;  // of a failure `failed` alone
  friend bool operator==(const TlsSlice&, const TlsSlice&) = default;
};
using TlsSlices = std::array<TlsSlice, kTrustClasses>;  // by the number of TrustClass
struct TlsCounts {
  TlsSessions sessions;
  TlsSlices by_trust;
};
struct TlsFailureRow {
  std::string result_type, mx_host;  // mx_host: lower case; empty where the reporter did not say
  uint64_t failed = 0;
  TlsSlices by_trust;
  int64_t reports = 0;
  DayNumber first_day = 0, last_day = 0;
};
struct TlsReporterRow {
  std::string reporter;
  int64_t reports = 0;
  TlsSessions sessions;
  TlsSlices by_trust;
  DayNumber last_day = 0;
};
struct TlsSummary {
  int64_t reports = 0;
  int64_t uncounted_reports = 0;  // UNVERIFIED and QUARANTINED: strangers' claims, in no sum
  std::vector<std::pair<std::string, TlsCounts>> policy_types;  // most sessions first
  std::map<std::pair<DayNumber, std::string>, TlsCounts> days;  // by day and policy type
  std::vector<TlsFailureRow> failures;                          // most failed sessions first
  std::vector<TlsReporterRow> reporters;                        // most sessions first
};

// Takes in one report after the other. Its memory grows with the different failures, reporters and
// policy types: so many of each are told apart, the others are one row named "(others)".
class TlsSummarizer {
 public:
  static constexpr size_t kMaxRows = 10'000;  // failures, reporters
  static constexpr size_t kMaxPolicyTypes = 32;
  void Add(const StoredTlsReport& stored);
  TlsSummary Finish();

 private:
  // The report that is being added.
  struct Telling {
    TrustClass trust = TrustClass::kUnspecified;
    DayNumber day = 0;
    std::set<const TlsSlice*> told;  // it tells of each row once, in however many policies
  };
  void AddFailure(const TlsReport::FailureDetail& detail, Telling* report);
  static TlsSlice& SliceOf(TlsSlices* by_trust, Telling* report);
  static void AddSessions(const TlsReport::PolicyResult& policy, TlsCounts* counts,
                          Telling* report);

  TlsSummary out_;
  std::map<std::string, TlsCounts> policy_types_;
  std::map<std::pair<std::string, std::string>, TlsFailureRow> failures_;
  std::map<std::string, TlsReporterRow> reporters_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_TLS_SUMMARY_H_
