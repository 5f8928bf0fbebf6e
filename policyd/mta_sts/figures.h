// policyd/mta_sts/figures.h
// What the gates compare: days, reporters and sessions of the stage, taken from the evidence. Pure.
//
// Counted are complete days (before the day of `now`) after the day on which the stage began, as
// reports of that day mix two policies; at most the last 180. A clock that jumps moves nothing but
// the end of the window.

#ifndef DMARCATE_POLICYD_MTA_STS_FIGURES_H_
#define DMARCATE_POLICYD_MTA_STS_FIGURES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "policyd/mta_sts/evidence.h"
#include "policyd/mta_sts/state.h"

namespace dmarcate {

inline constexpr int32_t kStsWindowDays = 180;
inline constexpr int32_t kStsRecentDays = 7;

struct StsSessions {
  int64_t sessions = 0, failed = 0;
};

// Of one kind of failure, over the days that count.
struct StsFailureSum {
  std::string result_type;
  std::vector<std::string> hosts;      // MX hosts that were named, ascending
  std::vector<std::string> reporters;  // ascending
  int64_t failed = 0;
  DayNumber last_day = 0;
};

struct StsFigures {
  int32_t days = 0;                    // on which a session succeeded under the live policy
  std::vector<std::string> reporters;  // who saw one; ascending
  std::optional<DayNumber> newest;     // of those days
  StsSessions all;
  double bound = 1;    // of the share of failed sessions, upper, at kLookConfidence (rollout)
  int64_t needed = 0;  // sessions with so many failed for the bound to be the allowed share
  // The same without the reporter that makes it worst, at kOthersConfidence. -1: nobody reports.
  int32_t without = -1;  // index into StsEvidence::reporters
  StsSessions others;
  double others_bound = 1;
  StsSessions recent;                   // of the last kStsRecentDays
  std::vector<StsFailureSum> failures;  // most failed sessions first, then by type
};
StsFigures MeasureSts(const StsState& state, const StsEvidence& evidence, absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_MTA_STS_FIGURES_H_
