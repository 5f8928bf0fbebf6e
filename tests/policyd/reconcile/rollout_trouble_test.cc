// Rollouts whose steps do not come off: kills, hosts that refuse, others at work, aborts.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/policyd/reconcile/forwarding_rollouts.h"
#include "tests/policyd/reconcile/rollout_world.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::IsOk;

using RolloutTroubleTest = RolloutWorldTest;

TEST_F(RolloutTroubleTest, AnAbortAsksForNoEvidence) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(45);
  ASSERT_EQ(Now(rollout).stage, PolicyStage::kQuarantine);
  evidence.change = [](const RolloutState&, absl::Time, Evidence& seen) {
    seen = Evidence();  // everything is missing
  };
  const int gathered = evidence.gathered;
  RolloutRequest request = Asked(rollout);
  request.revision = 0;
  ASSERT_THAT(controller->Abort(request, PolicyStage::kObserve), IsOk());
  EXPECT_EQ(evidence.gathered, gathered);
  EXPECT_THAT(world.Texts(TestWorld::kDmarc), ElementsAre(Record("none")));
  EXPECT_EQ(Now(rollout).status, RolloutStatus::kAborted);
  ASSERT_THAT(controller->Abort(request, PolicyStage::kObserve), IsOk());  // twice is OK
  Days(60);
  EXPECT_THAT(world.Texts(TestWorld::kDmarc), ElementsAre(Record("none")));
  evidence.change = nullptr;
  RolloutRequest above = Asked(Start(RolloutMode::kAutomatic));
  EXPECT_EQ(ReasonOf(controller->Abort(above, PolicyStage::kQuarantine).status()), "FIELD_INVALID");
}

// Before each write that is let through so many others are made, as by a tick in between.
class BusyRollouts final : public ForwardingRollouts {
 public:
  using ForwardingRollouts::ForwardingRollouts;
  absl::StatusOr<RolloutRecord> PutRollout(RolloutRecord record,
                                           std::vector<RolloutLogRecord> log) override {
    if (others > 0) {
      --others;
      (void)store_.PutRollout(store_.GetRollout(record.domain, record.id).value(), {}).value();
    }
    return store_.PutRollout(std::move(record), std::move(log));
  }
  int others = 0;
};

TEST_F(RolloutTroubleTest, WhoAbortsIsNotToldThatATickWasQuicker) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(45);
  ASSERT_EQ(Now(rollout).stage, PolicyStage::kQuarantine);
  BusyRollouts busy(rollouts);
  controller = std::make_unique<RolloutController>(
      RolloutWorld{world.store, busy, *engine, evidence, world.clock, world.random},
      RolloutControllerOptions{.patience = absl::InfiniteDuration()});
  RolloutRequest request = Asked(rollout);
  busy.others = 1;  // who names what was shown, is told
  EXPECT_EQ(ReasonOf(controller->Pause(request, "").status()), "ETAG_MISMATCH");
  request.revision = 0;
  busy.others = 2;
  ASSERT_THAT(controller->Pause(request, ""), IsOk());
  EXPECT_EQ(Now(rollout).status, RolloutStatus::kPaused);
  busy.others = 2;
  ASSERT_THAT(controller->Abort(request, PolicyStage::kObserve), IsOk());
  EXPECT_EQ(Now(rollout).status, RolloutStatus::kAborted);
  EXPECT_THAT(world.Texts(TestWorld::kDmarc), ElementsAre(Record("none")));
  // Asked for once, however often it was tried.
  const std::vector<RolloutLogRecord> log = LogOf(rollout);
  EXPECT_EQ(std::ranges::count_if(log,
                                  [](const RolloutLogRecord& entry) {
                                    return entry.text.starts_with("asked to abort");
                                  }),
            1);
}

TEST_F(RolloutTroubleTest, AnAbortIsTriedAgainUntilItHasBeenDone) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(45);
  ASSERT_EQ(Now(rollout).stage, PolicyStage::kQuarantine);
  for (size_t i = 0; i < FakeFleet::kServers; ++i) world.fleet.Configure(i, {.silent = true});
  EXPECT_FALSE(controller->Abort(Asked(rollout), PolicyStage::kObserve).ok());
  EXPECT_THAT(world.Texts(TestWorld::kDmarc), ElementsAre(Record("quarantine")));
  for (size_t i = 0; i < FakeFleet::kServers; ++i) world.fleet.Configure(i, {});
  Days(1);
  EXPECT_THAT(world.Texts(TestWorld::kDmarc), ElementsAre(Record("none")));
}

TEST_F(RolloutTroubleTest, DecisionsThatChangeWhileGatheringAreAskedAgain) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(20);
  const int before = evidence.gathered;
  evidence.change = [this](const RolloutState&, absl::Time, Evidence&) { evidence.etag = "e2"; };
  world.clock.Advance(absl::Hours(2));
  (void)controller->Tick();
  EXPECT_EQ(evidence.gathered, before + 2);
  (void)rollout;
}

// Between the look and the plan somebody else took the step: it is not counted as ours, and no plan
// is left for somebody to apply by hand.
TEST_F(RolloutTroubleTest, WhatSomebodyElsePublishedIsNoStepOfOurs) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(29);
  evidence.change = [](const RolloutState&, absl::Time, Evidence& seen) {
    seen.records.dmarc = {Record("none")};
  };
  for (const std::string& theirs : {Record("quarantine", kTest), Record("quarantine")}) {
    world.provider->SetTexts(TestWorld::kDmarc, {theirs});
    published.clear();
    Days(5);
    EXPECT_EQ(Now(rollout).stage, PolicyStage::kObserve);
    EXPECT_THAT(published, testing::IsEmpty());
  }
  const std::vector<RolloutLogRecord> log = LogOf(rollout);
  EXPECT_EQ(std::ranges::count(log, RolloutEvent::kPublished, &RolloutLogRecord::event), 0);
  EXPECT_GE(std::ranges::count(log, RolloutEvent::kFailed, &RolloutLogRecord::event), 1);
  const std::vector<ChangeRecord> changes =
      world.store.ListChanges("example.com", "", 1000).value();
  for (const ChangeRecord& change : changes) EXPECT_NE(change.state, ChangeState::kPlanned);
}

// As policyd does it: a tick each half minute.
TEST_F(RolloutTroubleTest, AProviderThatRefusesIsNotAskedEachTick) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(29);
  world.provider->Inject({.call = FakeDnsProvider::Call::kApply,
                          .moment = FakeDnsProvider::Moment::kBefore,
                          .status = absl::PermissionDeniedError("read only"),
                          .times = 1'000'000});
  for (int tick = 0; tick < 2 * 60 * 24 * 6; ++tick) {  // six days, a weekend among them
    world.clock.Advance(absl::Seconds(30));
    (void)controller->Tick();
  }
  size_t started = 0, failed = 0;
  for (const RolloutLogRecord& entry : LogOf(rollout)) {
    if (entry.event == RolloutEvent::kStarted) ++started;
    if (entry.event == RolloutEvent::kFailed) ++failed;
  }
  EXPECT_GE(started, 3u);  // it is tried again, ever more seldom
  EXPECT_LE(started, 40u);
  EXPECT_LE(failed, started);
  EXPECT_LE(world.store.ListChanges("example.com", "", 10'000)->size(), 40u);
  // Once it is mended it goes on by itself.
  world.provider->ClearFaults();
  Days(1);
  EXPECT_THAT(published, Contains(Record("quarantine", kTest)));
}

// Who refuses the plan says so once, not once for each plan.
TEST_F(RolloutTroubleTest, ARefusedPlanIsToldOnce) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(29);
  // Somebody adds a second record after each look (DMARC_MULTIPLE).
  evidence.change = [](const RolloutState&, absl::Time, Evidence& seen) {
    seen.records.dmarc = {Record("none")};
  };
  world.provider->SetTexts(TestWorld::kDmarc, {Record("none"), Record("none")});
  Days(6);
  EXPECT_THAT(published, testing::Not(Contains(Record("quarantine", kTest))));
  const std::vector<RolloutLogRecord> log = LogOf(rollout);
  const auto failed = std::ranges::count(log, RolloutEvent::kFailed, &RolloutLogRecord::event);
  EXPECT_GE(failed, 1);
  EXPECT_LE(failed, 3);
}

TEST_F(RolloutTroubleTest, KilledBetweenWritingDownAndApplyingItGoesOn) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(29);
  engine->Stop();  // plans, and applies nothing: as if killed in between
  for (int hour = 0; hour < 96 && Now(rollout).pending_change.empty(); ++hour) {
    world.clock.Advance(absl::Hours(1));
    (void)controller->Tick();
  }
  ASSERT_FALSE(Now(rollout).pending_change.empty());
  EXPECT_TRUE(published.empty());
  controller.reset();
  engine = world.MakeEngine();
  controller = Make(StoreUse::kExclusive);
  ASSERT_THAT(controller->Tick(), IsOk());
  EXPECT_THAT(published, ElementsAre(Record("quarantine", kTest)));
  EXPECT_EQ(Now(rollout).stage, PolicyStage::kQuarantineTest);
}

TEST_F(RolloutTroubleTest, KilledWhileThePlanExpiresItPlansAnew) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(29);
  engine->Stop();
  for (int hour = 0; hour < 96 && Now(rollout).pending_change.empty(); ++hour) {
    world.clock.Advance(absl::Hours(1));
    (void)controller->Tick();
  }
  const std::string first = Now(rollout).pending_change;
  ASSERT_FALSE(first.empty());
  controller.reset();
  engine = world.MakeEngine();
  controller = Make(StoreUse::kExclusive);
  Days(1);
  EXPECT_THAT(published, ElementsAre(Record("quarantine", kTest)));
  EXPECT_EQ(world.store.GetChange("example.com", first)->state, ChangeState::kCancelled);
}

// Sources are approved and rejected all the while: no step is taken on what was true before.
TEST_F(RolloutTroubleTest, ApprovalsThatGoOnChangingHoldEverything) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(20);
  int changes = 0;
  evidence.change = [&](const RolloutState&, absl::Time, Evidence&) {
    evidence.etag = "e" + std::to_string(++changes);
  };
  Days(40);
  EXPECT_TRUE(published.empty());
  EXPECT_THAT(LogOf(rollout).front().text, HasSubstr("approved or rejected while"));
  evidence.change = nullptr;
  Days(1);
  EXPECT_THAT(published, ElementsAre(Record("quarantine", kTest)));
}

// Somebody else has lowered it further than the abort asks for: it is done, and not tried again and
// again.
TEST_F(RolloutTroubleTest, AnAbortToAboveWhatIsLiveEnds) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(45);
  ASSERT_EQ(Now(rollout).stage, PolicyStage::kQuarantine);
  world.provider->SetTexts(TestWorld::kDmarc, {Record("none")});
  published.clear();
  const size_t before = world.store.ListChanges("example.com", "", 10'000)->size();
  ASSERT_THAT(controller->Abort(Asked(rollout), PolicyStage::kQuarantine), IsOk());
  EXPECT_EQ(Now(rollout).status, RolloutStatus::kAborted);
  EXPECT_EQ(Now(rollout).stage, PolicyStage::kObserve);
  EXPECT_THAT(LogOf(rollout).front().text, HasSubstr("nothing to lower"));
  Days(3);
  EXPECT_TRUE(published.empty());
  EXPECT_EQ(world.store.ListChanges("example.com", "", 10'000)->size(), before + 1);
}

TEST_F(RolloutTroubleTest, AnAbortWithoutARecordEnds) {
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(45);
  world.provider->SetTexts(TestWorld::kDmarc, {});
  published.clear();
  ASSERT_THAT(controller->Abort(Asked(rollout), PolicyStage::kQuarantine), IsOk());
  EXPECT_EQ(Now(rollout).status, RolloutStatus::kAborted);
  EXPECT_TRUE(published.empty());
}

// A log of years: what explains where it stands is there, and the rest does not pile up.
TEST_F(RolloutTroubleTest, TheLogOfYearsIsPruned) {
  const Rollout rollout = Start(RolloutMode::kAutomatic, PolicyStage::kQuarantine);
  Days(60);
  ASSERT_EQ(Now(rollout).status, RolloutStatus::kCompleted);
  for (int day = 0; day < 500; ++day) {
    world.clock.Advance(absl::Hours(24));
    ASSERT_THAT(controller->Tick(), IsOk());
  }
  const std::vector<RolloutLogRecord> log = LogOf(rollout);
  EXPECT_LT(log.size(), kQuietEntriesKept + 20);
  EXPECT_EQ(std::ranges::count(log, RolloutEvent::kPublished, &RolloutLogRecord::event), 2);
  EXPECT_EQ(std::ranges::count(log, RolloutEvent::kStarted, &RolloutLogRecord::event), 2);
  EXPECT_EQ(std::ranges::count(log, RolloutEvent::kPerson, &RolloutLogRecord::event), 1);
  EXPECT_GT(log.front().time, world.clock.Now() - absl::Hours(48));
}

}  // namespace
}  // namespace dmarcate
