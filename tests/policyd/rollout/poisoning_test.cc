// 2,000 campaigns of forged evidence against the decision. What strangers send is not ANCHORED and
// so no evidence (docs/trust.md), so the attacker here is the worst that is left: a known receiver
// that is compromised, with correct signatures, and says what it likes about any source, day and
// volume.
//
// Each campaign is compared with its honest twin: the same domain, truthfully reported. Unsafe is a
// step up that the twin does not take, a gate about mail that opens, or any step down. Stalling is
// allowed, and the explanation then names what closed.

#include <map>
#include <random>

#include <gtest/gtest.h>

#include "policyd/rollout/never_events.h"
#include "policyd/rollout/next_step.h"
#include "tests/policyd/rollout/rollout_testing.h"

namespace dmarcate {
namespace {

constexpr uint32_t kCampaigns = 2'000;

class Campaign {
 public:
  explicit Campaign(uint32_t seed) : random_(seed) {
    const PolicyStage stages[] = {PolicyStage::kObserve, PolicyStage::kQuarantineTest,
                                  PolicyStage::kQuarantine, PolicyStage::kRejectTest,
                                  PolicyStage::kReject};
    state = HealthyState(stages[Below(5)]);
    if (OneIn(4)) state.stage_start = Noon(45 - static_cast<int>(Below(40)));
    traffic_.push_back({.messages = From({200, 1000, 3000})});
    if (OneIn(2)) traffic_.push_back({.id = "crm", .messages = From({200, 400})});
    for (Traffic& one : traffic_) {
      if (OneIn(2)) one.failing = one.messages * From({5, 20, 60}) / 100;
      if (OneIn(5)) one.spf_only = one.messages - one.failing;
      if (OneIn(6)) one.forwarded = one.messages * 5 / 100;
    }
    if (OneIn(4)) {
      traffic_.push_back({.id = "unknown",
                          .standing = SourceStanding::kPending,
                          .messages = From({20, 50, 500}),
                          .looks_legitimate = !OneIn(3)});
      if (OneIn(2)) traffic_.back().failing = traffic_.back().messages;
    }
    honest = HealthyEvidence(state, now(), traffic_);
    liar_ = static_cast<int32_t>(Below(3));
    if (OneIn(4)) {
      honest.anchors[static_cast<size_t>((liar_ + 1) % 3)].policy_seen_since.reset();
    }
    if (OneIn(8)) honest.anchors[2].days.resize(static_cast<size_t>(30 + Below(30)));
    poisoned = honest;
    Poison();
  }

  static absl::Time now() { return Noon(45); }

  RolloutState state;
  Evidence honest, poisoned;
  int goal = 0;

 private:
  bool OneIn(uint32_t n) { return random_() % n == 0; }
  int64_t Below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint32_t>(n)); }
  int64_t From(std::initializer_list<int64_t> values) {
    return values.begin()[Below(static_cast<int64_t>(values.size()))];
  }

  // What only the compromised anchor has seen is its to tell; so every number above is one of which
  // each anchor sees its exact share. It rewrites what it reported, in any volume.
  void Poison() {
    const int64_t volume = From({1, 3, 10, 100, 1000});
    goal = static_cast<int>(Below(5));
    for (SourceEvidence& source : poisoned.sources) {
      for (SourceDay& day : source.days) {
        if (day.anchor != liar_) continue;
        day.messages = (day.messages + 1) * volume;
        switch (goal) {
          case 0:  // all is well: open a gate
            day.aligned = day.dkim_aligned = day.messages;
            day.forwarded = 0;
            break;
          case 1:  // it was all forwarders
            day.aligned = day.dkim_aligned = day.messages / 2;
            day.forwarded = day.messages - day.aligned;
            break;
          case 2:  // frame a good sender: stall, or force a step down
            day.aligned = day.dkim_aligned = day.forwarded = 0;
            break;
          case 3:  // counts that cannot be
            day.aligned = day.dkim_aligned = INT64_MAX / 2;
            day.forwarded = -day.messages;
            break;
          default:  // the unknown source vanishes
            if (source.standing == SourceStanding::kPending) {
              day = {day.day, day.anchor, 0, 0, 0, 0};
            } else {
              day.aligned = day.dkim_aligned = day.messages;
            }
        }
      }
    }
    AnchorEvidence& anchor = poisoned.anchors[static_cast<size_t>(liar_)];
    anchor.messages = anchor.messages * volume;
    anchor.policy_seen_since = DayOf(state.stage_start) + 1;
    anchor.last_report = now();
  }

  std::mt19937 random_;
  std::vector<Traffic> traffic_;
  int32_t liar_ = 0;
};

// Gates about mail; what an anchor says of itself (that it is there, that it has seen the policy)
// is its own.
bool IsAboutMail(GateId id) {
  return id == GateId::kSourcesHealthy || id == GateId::kNothingUnknown || id == GateId::kDkim ||
         id == GateId::kForwarding || id == GateId::kBlastRadius || id == GateId::kLossBound;
}

TEST(PoisoningTest, OneCompromisedAnchorOpensNothing) {
  int steps = 0;
  int stalled = 0;
  int opened = 0;
  int lowered = 0;
  for (uint32_t seed = 1; seed <= kCampaigns; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const Campaign campaign(seed);
    const Step truth = NextStep(campaign.state, campaign.honest, Campaign::now());
    const Step step = NextStep(campaign.state, campaign.poisoned, Campaign::now());
    if (truth.action == StepAction::kStepUp) ++steps;
    if (truth.action == StepAction::kStepUp && step.action != StepAction::kStepUp) {
      ++stalled;
      EXPECT_FALSE(step.reason.empty());
    }
    if (step.action == StepAction::kStepDown) ++lowered;
    if (step.action == StepAction::kStepUp && truth.action != StepAction::kStepUp) {
      ++opened;
      ADD_FAILURE() << "goal " << campaign.goal << ": " << step.reason << "; in truth "
                    << truth.reason;
    }
    for (size_t i = 0; i < step.gates.size() && i < truth.gates.size(); ++i) {
      const Gate& gate = step.gates[i];
      if (!gate.holds || truth.gates[i].holds || !IsAboutMail(gate.id)) continue;
      ++opened;
      ADD_FAILURE() << "goal " << campaign.goal << ", " << ToString(gate.id) << ": "
                    << gate.measured << "; in truth " << truth.gates[i].measured;
    }
    EXPECT_TRUE(CheckNeverEvents(campaign.state, campaign.honest, step, Campaign::now()).ok());
    if (HasFailure()) break;
  }
  std::printf(
      "poisoning: %u campaigns, %d gates opened, %d policies lowered; %d honest steps, "
      "%d of them stalled\n",
      kCampaigns, opened, lowered, steps, stalled);
  EXPECT_EQ(opened, 0);
  EXPECT_EQ(lowered, 0);
  EXPECT_GT(steps, 100);
  EXPECT_LT(stalled, steps);
}

}  // namespace
}  // namespace dmarcate
