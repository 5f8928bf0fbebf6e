// Rollouts from begin to end, and what keeps them where they are.

#include "policyd/reconcile/rollout_controller.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/rollout/codec.h"
#include "tests/policyd/reconcile/rollout_world.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::IsOk;

using RolloutControllerTest = RolloutWorldTest;

TEST_F(RolloutControllerTest, FromNoneToRejectOneStageAtATime) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(110);
  EXPECT_EQ(Now(rollout).status, RolloutStatus::kCompleted);
  EXPECT_THAT(published, ElementsAre(Record("quarantine", kTest), Record("quarantine"),
                                     Record("reject", kTest), Record("reject")));
  EXPECT_THAT(world.Texts(TestWorld::kDmarc), ElementsAre(Record("reject")));
  EXPECT_THAT(world.Texts(TestWorld::kSpf), ElementsAre(TestWorld::kOldSpf, "verification=1"));
  // Every decision of it can be made again, and what is the same is said once a day.
  int started = 0;
  const std::vector<RolloutLogRecord> log = LogOf(rollout);
  EXPECT_LT(log.size(), 250u);
  for (const RolloutLogRecord& entry : log) {
    if (entry.event == RolloutEvent::kStarted) ++started;
    if (entry.decision.empty()) continue;
    DMARCATE_ASSERT_OK_AND_ASSIGN(const Decision decision, DecodeDecision(entry.decision));
    EXPECT_THAT(Replay(decision), IsOk());
    EXPECT_FALSE(entry.explanation.empty());
  }
  EXPECT_EQ(started, 4);
}

TEST_F(RolloutControllerTest, AVendorThatBreaksPausesUntilAPersonResumes) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(45);
  ASSERT_EQ(Now(rollout).stage, PolicyStage::kQuarantine);
  const DayNumber broken = DayOf(world.clock.Now());
  DayNumber fixed = broken + 1000;
  evidence.change = [&](const RolloutState&, absl::Time now, Evidence& seen) {
    for (SourceDay& day : seen.sources.front().days) {
      if (day.day >= broken && day.day < fixed) day.aligned = day.dkim_aligned = day.aligned / 2;
    }
    (void)now;
  };
  Days(5);
  EXPECT_EQ(Now(rollout).status, RolloutStatus::kPaused);
  EXPECT_EQ(Now(rollout).pause_reason, PauseReason::kSourceFailing);
  EXPECT_THAT(Now(rollout).pause_detail, HasSubstr("exchange"));
  EXPECT_TRUE(std::ranges::any_of(LogOf(rollout), &RolloutLogRecord::alert));
  const std::vector<std::string> before = published;
  Days(3);
  EXPECT_EQ(published, before);  // reports alone lower nothing
  fixed = DayOf(world.clock.Now());
  Days(2);
  EXPECT_EQ(Now(rollout).status, RolloutStatus::kPaused);
  ASSERT_THAT(controller->Resume(Asked(rollout)), IsOk());
  Days(120);
  EXPECT_EQ(Now(rollout).stage, PolicyStage::kReject);
}

TEST_F(RolloutControllerTest, BreakageThatWasSeenStepsDownOnceAndPauses) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(45);
  ASSERT_EQ(Now(rollout).stage, PolicyStage::kQuarantine);
  published.clear();
  evidence.change = [](const RolloutState&, absl::Time now, Evidence& seen) {
    seen.breakages = {{.kind = BreakageKind::kSelectorGone,
                       .source_id = "exchange",
                       .name = "s1._domainkey.example.com",
                       .since = now - absl::Hours(1),
                       .looks = 4,
                       .carried = false}};
  };
  Days(1);
  EXPECT_THAT(published, ElementsAre(Record("quarantine", kTest)));
  EXPECT_EQ(Now(rollout).pause_reason, PauseReason::kBreakage);
  bool told = false;
  for (const RolloutLogRecord& entry : LogOf(rollout)) {
    if (entry.event == RolloutEvent::kPublished && entry.lowered) told = entry.alert;
  }
  EXPECT_TRUE(told);  // R15
}

TEST_F(RolloutControllerTest, DriftPausesAndIsNeverFought) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(45);
  ASSERT_EQ(Now(rollout).stage, PolicyStage::kQuarantine);
  world.provider->SetTexts(TestWorld::kDmarc, {Record("none")});
  published.clear();
  Days(60);
  EXPECT_EQ(Now(rollout).pause_reason, PauseReason::kDrift);
  EXPECT_TRUE(published.empty());
  ASSERT_THAT(controller->Resume(Asked(rollout)), IsOk());
  EXPECT_EQ(Now(rollout).stage, PolicyStage::kObserve);  // adopted
  Days(10);
  EXPECT_TRUE(published.empty());  // the dwell begins anew
  Days(40);
  EXPECT_FALSE(published.empty());
}

TEST_F(RolloutControllerTest, AChangeThatNeedsAttentionFreezes) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  evidence.change = [](const RolloutState&, absl::Time, Evidence& seen) {
    seen.control.attention_change = "c9";
  };
  Days(50);
  EXPECT_TRUE(published.empty());
  EXPECT_EQ(Now(rollout).pause_reason, PauseReason::kAttention);
  EXPECT_EQ(ReasonOf(controller->Resume(Asked(rollout)).status()), "ROLLOUT_STATE");
}

TEST_F(RolloutControllerTest, ASecondControllerIdlesUntilTheFirstFallsSilent) {
  controller = Make(StoreUse::kShared);
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  ASSERT_THAT(controller->Tick(), IsOk());
  const std::unique_ptr<RolloutController> second = Make(StoreUse::kShared);
  const int gathered = evidence.gathered;
  for (int i = 0; i < 20; ++i) {
    world.clock.Advance(absl::Minutes(1));
    (void)second->Tick();
    (void)controller->Tick();
  }
  const std::string holder = rollouts.GetRolloutLease()->holder;
  EXPECT_LE(evidence.gathered, gathered + 1);
  for (int i = 0; i < 10; ++i) {
    world.clock.Advance(absl::Minutes(1));
    (void)second->Tick();
  }
  EXPECT_NE(rollouts.GetRolloutLease()->holder, holder);
  (void)rollout;
}

// Time goes on while a decision is made: a second between any two looks.
class RunningClock final : public Clock {
 public:
  explicit RunningClock(FakeClock& clock) : clock_(clock) {}
  absl::Time Now() const override {
    const absl::Time now = clock_.Now();
    clock_.Advance(absl::Seconds(1));
    return now;
  }
  absl::Duration Monotonic() const override { return clock_.Monotonic(); }

 private:
  FakeClock& clock_;
};

// The day ends while it is decided, and with it a gate closes: the log has the time at which it
// was.
TEST_F(RolloutControllerTest, ADecisionIsReplayedAtTheTimeAtWhichItWasMade) {
  RolloutState state = HealthyState();
  state.mode = RolloutMode::kAdvise;
  state.target = PolicyStage::kReject;
  state.settings.hours = WorkingHours();  // Monday to Friday: what is ready on Friday is not after
  DMARCATE_ASSERT_OK_AND_ASSIGN(const Rollout rollout,
                                controller->Create(state, "ann", RunMode::kExecute));
  const RunningClock running(world.clock);
  controller = std::make_unique<RolloutController>(
      RolloutWorld{world.store, rollouts, *engine, evidence, running, world.random},
      RolloutControllerOptions{.patience = absl::InfiniteDuration()});
  for (int night = 0; night < 50; ++night) {
    const int64_t day = absl::ToUnixSeconds(world.clock.Now()) / 86'400;
    world.clock.Advance(absl::FromUnixSeconds(86'400 * (day + 1)) - world.clock.Now() -
                        absl::Milliseconds(2500));
    (void)controller->Tick();
  }
  int decided = 0;
  for (const RolloutLogRecord& entry : LogOf(rollout)) {
    if (entry.decision.empty()) continue;
    ++decided;
    DMARCATE_ASSERT_OK_AND_ASSIGN(const Decision decision, DecodeDecision(entry.decision));
    EXPECT_THAT(Replay(decision), IsOk());
  }
  EXPECT_GT(decided, 20);
}

TEST_F(RolloutControllerTest, ATickEndsWhenPolicydStops) {
  Start(RolloutMode::kAutomatic);
  RolloutState other = HealthyState();
  other.scope = PolicyScope::kSubdomains;
  ASSERT_THAT(controller->Create(other, "ann", RunMode::kExecute), IsOk());
  const int before = evidence.gathered;
  evidence.change = [this](const RolloutState&, absl::Time, Evidence&) { controller->BeginStop(); };
  world.clock.Advance(absl::Hours(2));
  ASSERT_THAT(controller->Tick(), IsOk());
  EXPECT_EQ(evidence.gathered, before + 1);
}

}  // namespace
}  // namespace dmarcate
