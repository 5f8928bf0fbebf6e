#include "policyd/mta_sts/figures.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "lib/base/binomial.h"
#include "policyd/rollout/figures.h"

namespace dmarcate {
namespace {

// More would overflow in a sum of 180 days and 10,000 reporters.
constexpr int64_t kMostSessions = 1'000'000'000'000;

struct Days {
  DayNumber first = 0, last = 0;
  bool Counts(DayNumber day) const { return day >= first && day <= last; }
};

Days DaysOf(const StsState& state, absl::Time now) {
  const DayNumber last = DayOf(now) - 1;
  return {std::max(DayOf(state.stage_start) + 1, last - kStsWindowDays + 1), last};
}

// Counts that contradict each other are cut to what can be.
StsSessions Cut(const StsReporterDay& day) {
  const int64_t sessions = std::clamp<int64_t>(day.sessions, 0, kMostSessions);
  return {sessions, std::clamp<int64_t>(day.failed, 0, sessions)};
}

void Add(const StsSessions& more, StsSessions& sum) {
  sum.sessions += more.sessions;
  sum.failed += more.failed;
}

struct FailureSets {
  std::set<std::string> hosts, reporters;
  int64_t failed = 0;
  DayNumber last_day = 0;
};

std::vector<StsFailureSum> SumFailures(const StsEvidence& evidence, const Days& days) {
  std::map<std::string, FailureSets> types;
  for (const StsFailure& failure : evidence.failures) {
    const auto reporter = static_cast<size_t>(failure.reporter);
    if (!days.Counts(failure.day) || failure.failed <= 0) continue;
    if (failure.reporter < 0 || reporter >= evidence.reporters.size()) continue;  // nobody says so
    FailureSets& sets = types[failure.result_type];
    if (!failure.mx_host.empty()) sets.hosts.insert(failure.mx_host);
    sets.reporters.insert(evidence.reporters[reporter].id);
    sets.failed += std::min(failure.failed, kMostSessions);
    sets.last_day = std::max(sets.last_day, failure.day);
  }
  std::vector<StsFailureSum> out;
  for (const auto& [type, sets] : types) {
    out.push_back({type,
                   {sets.hosts.begin(), sets.hosts.end()},
                   {sets.reporters.begin(), sets.reporters.end()},
                   sets.failed,
                   sets.last_day});
  }
  std::ranges::stable_sort(
      out, [](const StsFailureSum& a, const StsFailureSum& b) { return a.failed > b.failed; });
  return out;
}

}  // namespace

StsFigures MeasureSts(const StsState& state, const StsEvidence& evidence, absl::Time now) {
  StsFigures figures;
  const Days days = DaysOf(state, now);
  std::set<DayNumber> good_days;
  std::set<std::string> reporters;
  std::vector<StsSessions> by_reporter(evidence.reporters.size());
  for (size_t i = 0; i < evidence.reporters.size(); ++i) {
    for (const StsReporterDay& day : evidence.reporters[i].days) {
      if (!days.Counts(day.day)) continue;
      const StsSessions sessions = Cut(day);
      Add(sessions, by_reporter[i]);
      if (day.day > days.last - kStsRecentDays) Add(sessions, figures.recent);
      if (sessions.sessions == sessions.failed) continue;
      good_days.insert(day.day);
      reporters.insert(evidence.reporters[i].id);
    }
    Add(by_reporter[i], figures.all);
  }
  figures.days = static_cast<int32_t>(good_days.size());
  if (!good_days.empty()) figures.newest = *good_days.rbegin();
  figures.reporters.assign(reporters.begin(), reporters.end());
  figures.bound = UpperBound(figures.all.failed, figures.all.sessions, kLookConfidence);
  figures.needed = TrialsNeeded(figures.all.failed, state.settings.failure_share, kLookConfidence);
  double worst = -1;
  for (size_t i = 0; i < by_reporter.size(); ++i) {
    if (by_reporter[i].sessions == 0) continue;
    const StsSessions rest{figures.all.sessions - by_reporter[i].sessions,
                           figures.all.failed - by_reporter[i].failed};
    const double bound = UpperBound(rest.failed, rest.sessions, kOthersConfidence);
    if (bound <= worst) continue;
    worst = bound;
    figures.without = static_cast<int32_t>(i);
    figures.others = rest;
    figures.others_bound = bound;
  }
  figures.failures = SumFailures(evidence, days);
  return figures;
}

}  // namespace dmarcate
