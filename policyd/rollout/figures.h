// policyd/rollout/figures.h
// What the gates compare: days and counts taken from the evidence. Pure.
//
// Every count is over days that count: complete (before the day of `now`), not excluded, and not
// the day on which the stage began, as its reports may mix two policies. A clock that jumps moves
// nothing but the end of the window: a day without reports is a day without evidence.

#ifndef DMARCATE_POLICYD_ROLLOUT_FIGURES_H_
#define DMARCATE_POLICYD_ROLLOUT_FIGURES_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "lib/base/time.h"
#include "policyd/rollout/evidence.h"
#include "policyd/rollout/state.h"

namespace dmarcate {

inline constexpr int32_t kGateWindowDays = 30;
inline constexpr int32_t kLongestWindowDays = 180;
// The window of the loss bound grows, 30 days at a time, until it holds so many messages, and so
// many without the anchor that reports most. By their number only: a window chosen by its result
// would prove nothing.
inline constexpr int64_t kEnoughMessages = 1'500;
inline constexpr int64_t kEnoughOfOthers = 500;
// The promise (DESIGN 13.9): with 95 % confidence at most 1 % of legitimate mail is lost. It is
// looked at every day until it holds; a look at 95 % that is taken again and again would be wrong
// far more often than once in twenty. So each look is taken at 99 % (the calibration test measures
// what that makes of the promise).
inline constexpr double kAllowedLoss = 0.01;
inline constexpr double kLookConfidence = 0.99;
// Without any one anchor: this guards against one that lies, not against chance.
inline constexpr double kOthersConfidence = 0.95;
inline constexpr int32_t kRecentDays = 7;  // in which a source that begins to fail is noticed
inline constexpr int32_t kGraceDays = 2;   // a day's report comes the day after, or later

// Days that do not count, and the last one that may.
class DayFilter {
 public:
  DayFilter(const RolloutState& state, const Evidence& evidence, absl::Time now);
  bool Counts(DayNumber day) const { return day <= last_ && !excluded_.contains(day); }
  DayNumber last() const { return last_; }  // yesterday
  // The last `days` days that count, newest first.
  std::vector<DayNumber> Window(int32_t days) const;

 private:
  DayNumber last_;
  std::set<DayNumber> excluded_;
};

struct SourceCounts {
  int64_t messages = 0, aligned = 0, dkim_aligned = 0, forwarded = 0;
  int64_t direct() const { return messages - forwarded; }  // not through forwarders
  int64_t failing() const { return messages - forwarded - aligned; }
  double aligned_rate() const;  // of what came directly; 1 without mail
  double dkim_rate() const;     // of what came directly, at most 1; 1 without mail
};
// Of the days that count in [first, last]. Counts that contradict each other are cut to what can
// be.
SourceCounts CountDays(const SourceEvidence& source, const DayFilter& filter, DayNumber first,
                       DayNumber last);

// One source as all anchors see it together, and as each of them does.
struct SourceView {
  const SourceEvidence* source = nullptr;
  SourceCounts total;
  std::vector<SourceCounts> by_anchor;  // as Evidence::anchors
  // `without`: index of the anchor that is left out; -1: none.
  SourceCounts Without(int32_t without) const;
};
// Of the last `days` days that count. No single anchor can open a gate: what a gate wants must hold
// without any one of them as well (a known receiver may be compromised, RFC 9990 section 8).
std::vector<SourceView> ViewSources(const Evidence& evidence, const DayFilter& filter,
                                    int32_t days);
// -1, then each anchor whose reports have mail in `views`.
std::vector<int32_t> AnchorsToLeaveOut(const Evidence& evidence,
                                       const std::vector<SourceView>& views);

struct Coverage {
  int32_t covered = 0;                            // of the last 30 days that count
  int32_t since_stage = 0;                        // after the day on which the stage began
  int32_t anchors = 0;                            // with a report in the window
  std::vector<std::string> silent;                // overdue by their own rhythm
  absl::Time last_report = absl::InfinitePast();  // of any anchor
  int32_t shortest_gap = 0;                       // of the anchors; 0: none is known
  bool month_end = false;  // a covered day of the window is the last of its month
};
// A day is covered if every anchor whose rhythm expects a report by then has sent one, empty ones
// included, and at least `min_anchors` have.
Coverage MeasureCoverage(const RolloutState& state, const Evidence& evidence,
                         const DayFilter& filter);

// What is known of the loss of legitimate mail by the next stage: mail of approved sources that
// came directly and is not aligned.
struct Loss {
  int32_t days = 0;  // of the window: 30, 60, ... 180
  int64_t failing = 0, messages = 0;
  double bound = 1;    // upper, at kLookConfidence
  int64_t needed = 0;  // messages with so many failing for the bound to be kAllowedLoss
  // The same without the anchor that makes it worst, at kOthersConfidence. Absent: no anchor has
  // mail to report.
  int32_t without = -1;  // index of that anchor
  int64_t others_failing = 0, others_messages = 0;
  double others_bound = 1;
};
Loss MeasureLoss(const Evidence& evidence, const DayFilter& filter);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ROLLOUT_FIGURES_H_
