#include "policyd/rollout/figures.h"

#include <algorithm>
#include <utility>

#include "lib/base/binomial.h"

namespace dmarcate {
namespace {

// Far above any real day, far below what could overflow in a sum of 180 days and 10,000 sources.
constexpr int64_t kMostMessages = 100'000'000'000;

int64_t Cut(int64_t value, int64_t limit) { return std::clamp<int64_t>(value, 0, limit); }

// Whether the anchor has reported on `day`, or so shortly before that nothing was due.
bool Covers(const AnchorEvidence& anchor, DayNumber day) {
  const auto after = std::ranges::upper_bound(anchor.days, day);
  if (after == anchor.days.begin()) return false;
  return day - *(after - 1) < std::max(anchor.usual_gap, 1);
}

bool ExpectedOn(const AnchorEvidence& anchor, DayNumber day) {
  return !anchor.waived && anchor.usual_gap > 0 && !anchor.days.empty() &&
         anchor.days.front() <= day;
}

bool IsCovered(const Evidence& evidence, int32_t min_anchors, DayNumber day) {
  int32_t covering = 0;
  for (const AnchorEvidence& anchor : evidence.anchors) {
    if (Covers(anchor, day)) {
      ++covering;
    } else if (ExpectedOn(anchor, day)) {
      return false;
    }
  }
  return covering >= min_anchors;
}

bool IsMonthEnd(DayNumber day) { return ToCivil(day + 1).day() == 1; }

}  // namespace

DayFilter::DayFilter(const RolloutState& state, const Evidence& evidence, absl::Time now)
    : last_(DayOf(now) - 1),
      excluded_(evidence.excluded_days.begin(), evidence.excluded_days.end()) {
  excluded_.insert(DayOf(state.stage_start));
}

std::vector<DayNumber> DayFilter::Window(int32_t days) const {
  std::vector<DayNumber> out;
  for (DayNumber day = last_; std::ssize(out) < days && day > last_ - kLongestWindowDays; --day) {
    if (Counts(day)) out.push_back(day);
  }
  return out;
}

double SourceCounts::aligned_rate() const {
  if (direct() <= 0) return 1;
  return static_cast<double>(aligned) / static_cast<double>(direct());
}

double SourceCounts::dkim_rate() const {
  if (direct() <= 0) return 1;
  return std::min(1.0, static_cast<double>(dkim_aligned) / static_cast<double>(direct()));
}

namespace {

void AddDay(const SourceDay& day, SourceCounts& counts) {
  const int64_t messages = Cut(day.messages, kMostMessages);
  const int64_t aligned = Cut(day.aligned, messages);
  counts.messages += messages;
  counts.aligned += aligned;
  counts.dkim_aligned += Cut(day.dkim_aligned, aligned);
  counts.forwarded += Cut(day.forwarded, messages - aligned);
}

}  // namespace

SourceCounts CountDays(const SourceEvidence& source, const DayFilter& filter, DayNumber first,
                       DayNumber last) {
  SourceCounts counts;
  for (const SourceDay& day : source.days) {
    if (day.day < first || day.day > last || !filter.Counts(day.day)) continue;
    AddDay(day, counts);
  }
  return counts;
}

SourceCounts SourceView::Without(int32_t without) const {
  SourceCounts counts = total;
  if (without < 0) return counts;
  const SourceCounts& one = by_anchor[static_cast<size_t>(without)];
  counts.messages -= one.messages;
  counts.aligned -= one.aligned;
  counts.dkim_aligned -= one.dkim_aligned;
  counts.forwarded -= one.forwarded;
  return counts;
}

std::vector<SourceView> ViewSources(const Evidence& evidence, const DayFilter& filter,
                                    int32_t days) {
  const std::vector<DayNumber> window = filter.Window(days);
  std::vector<SourceView> views;
  for (const SourceEvidence& source : evidence.sources) {
    SourceView view{&source, {}, std::vector<SourceCounts>(evidence.anchors.size())};
    for (const SourceDay& day : source.days) {
      if (window.empty() || day.day < window.back() || !filter.Counts(day.day)) continue;
      const auto anchor = static_cast<size_t>(day.anchor);
      if (day.anchor < 0 || anchor >= view.by_anchor.size()) continue;  // nobody says so
      AddDay(day, view.total);
      AddDay(day, view.by_anchor[anchor]);
    }
    views.push_back(std::move(view));
  }
  return views;
}

std::vector<int32_t> AnchorsToLeaveOut(const Evidence& evidence,
                                       const std::vector<SourceView>& views) {
  std::vector<int32_t> out = {-1};
  for (size_t i = 0; i < evidence.anchors.size(); ++i) {
    if (std::ranges::any_of(
            views, [i](const SourceView& view) { return view.by_anchor[i].messages > 0; })) {
      out.push_back(static_cast<int32_t>(i));
    }
  }
  return out;
}

Coverage MeasureCoverage(const RolloutState& state, const Evidence& evidence,
                         const DayFilter& filter) {
  Coverage coverage;
  const int32_t min_anchors = state.settings.gates.min_anchors;
  const std::vector<DayNumber> window = filter.Window(kGateWindowDays);
  for (const DayNumber day : window) {
    if (IsCovered(evidence, min_anchors, day)) ++coverage.covered;
  }
  // Whatever the policy was on that day: who sends only then was seen, or was not.
  for (DayNumber day = window.empty() ? filter.last() : window.back(); day <= filter.last();
       ++day) {
    coverage.month_end =
        coverage.month_end || (IsMonthEnd(day) && IsCovered(evidence, min_anchors, day));
  }
  const DayNumber stage_day = DayOf(state.stage_start);
  for (const DayNumber day : filter.Window(kLongestWindowDays)) {
    if (day > stage_day && IsCovered(evidence, min_anchors, day)) ++coverage.since_stage;
  }
  const DayNumber first = window.empty() ? filter.last() : window.back();
  for (const AnchorEvidence& anchor : evidence.anchors) {
    // Reports of days that have not come yet, by the clock that we have, are not counted.
    const auto end = std::ranges::upper_bound(anchor.days, filter.last());
    if (end == anchor.days.begin()) continue;
    const DayNumber latest = *(end - 1);
    if (latest >= first) {
      ++coverage.anchors;
      coverage.last_report = std::max(coverage.last_report, anchor.last_report);
    }
    if (anchor.waived || anchor.usual_gap <= 0) continue;
    coverage.shortest_gap = coverage.shortest_gap == 0
                                ? anchor.usual_gap
                                : std::min(coverage.shortest_gap, anchor.usual_gap);
    if (filter.last() - latest >= anchor.usual_gap + kGraceDays) {
      coverage.silent.push_back(anchor.id);
    }
  }
  return coverage;
}

namespace {

// Approved mail that came directly, as all anchors together and all but one report it.
struct Trial {
  int32_t without = -1;
  int64_t failing = 0, messages = 0;
};

std::vector<Trial> TrialsOf(const Evidence& evidence, const std::vector<SourceView>& views) {
  std::vector<Trial> trials;
  for (const int32_t without : AnchorsToLeaveOut(evidence, views)) {
    Trial trial{without, 0, 0};
    for (const SourceView& view : views) {
      if (view.source->standing != SourceStanding::kApproved) continue;
      const SourceCounts counts = view.Without(without);
      trial.failing += counts.failing();
      trial.messages += counts.direct();
    }
    trials.push_back(trial);
  }
  return trials;
}

bool IsEnough(const std::vector<Trial>& trials) {
  return trials.size() > 1 && std::ranges::all_of(trials, [](const Trial& trial) {
           return trial.messages >= (trial.without < 0 ? kEnoughMessages : kEnoughOfOthers);
         });
}

}  // namespace

Loss MeasureLoss(const Evidence& evidence, const DayFilter& filter) {
  Loss loss;
  std::vector<Trial> trials;
  do {
    loss.days += kGateWindowDays;
    trials = TrialsOf(evidence, ViewSources(evidence, filter, loss.days));
  } while (loss.days < kLongestWindowDays && !IsEnough(trials));
  loss.failing = trials.front().failing;
  loss.messages = trials.front().messages;
  loss.bound = UpperBound(loss.failing, loss.messages, kLookConfidence);
  loss.needed = TrialsNeeded(loss.failing, kAllowedLoss, kLookConfidence);
  double worst = -1;
  for (const Trial& trial : trials) {
    if (trial.without < 0) continue;
    const double bound = UpperBound(trial.failing, trial.messages, kOthersConfidence);
    if (bound <= worst) continue;
    worst = bound;
    loss.without = trial.without;
    loss.others_failing = trial.failing;
    loss.others_messages = trial.messages;
    loss.others_bound = bound;
  }
  return loss;
}

}  // namespace dmarcate
