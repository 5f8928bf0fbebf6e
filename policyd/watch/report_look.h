// What a person should know about the mail of one domain, out of its reports. Pure.
//
//   SOURCE_UNAPPROVED  nobody has decided about a sender that sends a part of the domain's mail
//   SOURCE_FAILING     an approved source's mail fails DMARC, and chance alone does not explain it
//   SPOOFING_BURST     much more mail than before claims to be the domain without any support
//   QUARANTINE_SPIKE   much more of the mail that is not such a claim is quarantined or refused
//   REPORTER_SILENT    a reporter is overdue against its own rhythm; empty reports count as alive
//
// Each compares the last days with those before, by exact bounds and not by a threshold of volume,
// and each has another bar for staying than for coming, so that what lies at the bar does not come
// and go.
//
// Anybody may send reports. What anchors report and what the operator handed in (IsBelieved) is
// judged by itself, so that no stranger's numbers raise an alarm, dilute one, or end it; what only
// the others claim is told as that, with severity info. Where no report came that can be believed,
// of a domain of which such reports do come, nothing is learned about mail, and nothing is gone.

#ifndef DMARCATE_POLICYD_WATCH_REPORT_LOOK_H_
#define DMARCATE_POLICYD_WATCH_REPORT_LOOK_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "lib/mailauth/domain_name.h"
#include "lib/store/policy_store.h"
#include "policyd/analysis/reporter_ledger.h"
#include "policyd/analysis/statistics.h"
#include "policyd/watch/insight_look.h"

namespace dmarcate {

inline constexpr int32_t kRecentDays = 7;         // today and those before it
inline constexpr int32_t kBeforeDays = 28;        // before those
inline constexpr int32_t kRhythmDays = 90;        // of which a reporter's habit is known
inline constexpr size_t kMaxReportFindings = 50;  // of each code

struct ReportSight {
  const DomainStatistics& recent;
  const DomainStatistics& before;
  const std::vector<SourceDecision>& decisions;
  const ReporterLedger& reporters;    // of this domain alone
  const std::set<std::string>& open;  // ids of insights that are there and not RESOLVED
  absl::Time now;
};

// Both ranges end where the other begins; see above.
InsightLook LookAtReports(const DomainName& domain, const ReportSight& sight);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_WATCH_REPORT_LOOK_H_
