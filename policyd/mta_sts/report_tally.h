// policyd/mta_sts/report_tally.h
// What TLS reports (RFC 8460) say about the MTA-STS policy that is live. Pure.

#ifndef DMARCATE_POLICYD_MTA_STS_REPORT_TALLY_H_
#define DMARCATE_POLICYD_MTA_STS_REPORT_TALLY_H_

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "lib/mailauth/mta_sts_policy.h"
#include "lib/store/report_store.h"
#include "policyd/mta_sts/evidence.h"

namespace dmarcate {

// Takes in one report after the other, in any order. Counts those that are ANCHORED and current,
// and of them what is said of policy type sts with exactly the live policy, as the reporter quotes
// it: sessions under an older policy that a sender still has in its cache prove nothing about this
// one. What quotes no policy that can be read counts with its failures only: that the policy could
// not be fetched may be what failed. All else that is counted anywhere is told as an advisory.
class StsReportTally {
 public:
  static constexpr size_t kMaxReporters = 1'000;
  // Failures that are told apart; more are summed under "(others)".
  static constexpr size_t kMaxFailures = 10'000;

  // `live`: the policy that is served; it outlives the tally.
  explicit StsReportTally(const MtaStsPolicy& live) : live_(live) {}

  void Add(const StoredTlsReport& stored);
  // Fills in `reporters`, `failures` and `advisories`.
  void Finish(StsEvidence& evidence) const;

 private:
  void AddResult(const StoredTlsReport& stored, const TlsReport::PolicyResult& result);

  const MtaStsPolicy& live_;
  std::map<std::string, std::map<DayNumber, StsReporterDay>> reporters_;
  // By day, reporter, result type and host.
  std::map<std::tuple<DayNumber, std::string, std::string, std::string>, int64_t> failures_;
  int64_t not_anchored_ = 0;    // reports
  int64_t other_policies_ = 0;  // sessions under another sts policy
  int64_t no_policy_ = 0;       // sessions of senders that found none
  int64_t left_out_ = 0;        // reports of reporters beyond kMaxReporters
};

// Whether the lines that a report quotes (policy-string) are a policy that says the same as `live`.
// Some reporters give one string with line feeds in it.
bool QuotesPolicy(const std::vector<std::string>& policy_strings, const MtaStsPolicy& live);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_MTA_STS_REPORT_TALLY_H_
