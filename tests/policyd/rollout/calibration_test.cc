// The promise of DESIGN 13.9, measured: over 10,000 domains of 5 to 50,000 messages a month, each
// with a true rate at which its legitimate mail fails, asked every day for 180 days, how many first
// steps are taken while the true rate is over the allowed 1 %.

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "lib/base/binomial.h"
#include "policyd/rollout/figures.h"
#include "policyd/rollout/next_step.h"
#include "tests/policyd/rollout/rollout_testing.h"

namespace dmarcate {
namespace {

constexpr int kDomains = 10'000;
constexpr int kDays = 180;

struct Domain {
  double monthly = 0;  // messages
  double rate = 0;     // of them that fail
};

Domain DrawDomain(std::mt19937_64& random) {
  const auto log_uniform = [&random](double low, double high) {
    std::uniform_real_distribution<double> at(std::log(low), std::log(high));
    return std::exp(at(random));
  };
  return {log_uniform(5, 50'000), log_uniform(0.0002, 0.2)};
}

// Counts of the days so far, and whether the bound may hold in any of the windows.
class Sums {
 public:
  void Add(int64_t messages, int64_t failing) {
    messages_.push_back(messages_.back() + messages);
    failing_.push_back(failing_.back() + failing);
  }
  bool MayHold(double confidence) const {
    for (int window = kGateWindowDays; window <= kLongestWindowDays; window += kGateWindowDays) {
      // Day 0, on which the stage began, counts nowhere.
      const auto from =
          static_cast<size_t>(std::max<std::ptrdiff_t>(1, std::ssize(messages_) - 1 - window));
      if (from >= messages_.size()) continue;
      const int64_t n = messages_.back() - messages_[from];
      const int64_t k = failing_.back() - failing_[from];
      if (static_cast<double>(k) <= kAllowedLoss * static_cast<double>(n) &&
          n >= Needed(k, confidence)) {
        return true;
      }
    }
    return false;
  }

 private:
  static int64_t Needed(int64_t failing, double confidence) {
    static std::map<std::pair<int64_t, double>, int64_t> known;
    const auto [it, inserted] = known.try_emplace({failing, confidence}, 0);
    if (inserted) it->second = TrialsNeeded(failing, kAllowedLoss, confidence);
    return it->second;
  }
  std::vector<int64_t> messages_ = {0}, failing_ = {0};
};

// The day of the first step up; -1: none in 180 days.
int FirstStep(const Domain& domain, std::mt19937_64& random) {
  RolloutState state = HealthyState();
  state.settings.gates.source_aligned = 0.97;  // the bound alone shall decide
  state.settings.gates.signed_impact = 0.02;
  Evidence evidence = HealthyEvidence(state, Noon(0), {});
  for (AnchorEvidence& anchor : evidence.anchors) anchor.days.clear();
  evidence.sources.push_back({.id = "all", .standing = SourceStanding::kApproved});
  const double shares[] = {0.6, 0.3, 0.1};
  Sums all;
  Sums others;  // without the first anchor
  for (int day = 0; day < kDays; ++day) {
    int64_t messages[3] = {};
    int64_t failing[3] = {};
    for (int32_t anchor = 0; anchor < 3; ++anchor) {
      const auto at = static_cast<size_t>(anchor);
      std::poisson_distribution<int64_t> count(domain.monthly / 30 * shares[at]);
      messages[at] = count(random);
      failing[at] = std::binomial_distribution<int64_t>(messages[at], domain.rate)(random);
      SourceDay one;
      one.day = DayOf(Noon(day));
      one.anchor = anchor;
      one.messages = messages[at];
      one.aligned = one.dkim_aligned = messages[at] - failing[at];
      evidence.sources[0].days.push_back(one);
      AnchorEvidence& reporter = evidence.anchors[at];
      reporter.days.push_back(one.day);
      reporter.last_report = StartOfDay(one.day + 1) + absl::Hours(6);
    }
    others.Add(messages[1] + messages[2], failing[1] + failing[2]);
    all.Add(messages[0] + messages[1] + messages[2], failing[0] + failing[1] + failing[2]);
    // Where no window can hold the bound, nobody need be asked: it would take most of the time.
    if (!all.MayHold(kLookConfidence) || !others.MayHold(kOthersConfidence)) continue;
    const absl::Time now = Noon(day + 1);
    evidence.records.looked = now;
    if (NextStep(state, evidence, now).action == StepAction::kStepUp) return day + 1;
  }
  return -1;
}

TEST(CalibrationTest, AtMostOneInTwentyStepsIsWrong) {
  struct Row {
    const char* name;
    double below;
    int domains = 0, steps = 0;
    int64_t days = 0;
  };
  Row rows[] = {{"under 0.1 %", 0.001}, {"0.1 to 0.5 %", 0.005}, {"0.5 to 1 %", 0.01},
                {"1 to 1.2 %", 0.012},  {"1.2 to 2 %", 0.02},    {"over 2 %", 1}};
  int steps = 0;
  int wrong = 0;
  int small_and_good = 0;
  std::mt19937_64 random(20'261'130);
  for (int i = 0; i < kDomains; ++i) {
    const Domain domain = DrawDomain(random);
    const int day = FirstStep(domain, random);
    Row* row = rows;
    while (domain.rate >= row->below) ++row;
    ++row->domains;
    if (day < 0) continue;
    ++row->steps;
    row->days += day;
    ++steps;
    if (domain.rate > kAllowedLoss) ++wrong;
    if (domain.monthly < 500) ++small_and_good;
  }
  std::printf("calibration: %d domains, %d first steps, %d with a true loss over 1 %%: %.2f %%\n",
              kDomains, steps, wrong, 100.0 * wrong / steps);
  std::printf("  %-14s %8s %8s %9s %9s\n", "true loss", "domains", "steps", "share", "mean day");
  for (const Row& row : rows) {
    std::printf("  %-14s %8d %8d %8.1f%% %9.0f\n", row.name, row.domains, row.steps,
                100.0 * row.steps / row.domains,
                row.steps == 0 ? 0.0 : static_cast<double>(row.days) / row.steps);
  }
  EXPECT_LE(wrong, steps * 5 / 100);
  // Where the loss is clearly over the bound, hardly any domain gets through at all.
  EXPECT_LE(rows[4].steps, rows[4].domains * 5 / 100);
  EXPECT_EQ(rows[5].steps, 0);
  // And it is no promise kept by never going anywhere.
  EXPECT_GE(rows[0].steps, rows[0].domains * 40 / 100);
  EXPECT_GT(small_and_good, 100);
}

}  // namespace
}  // namespace dmarcate
