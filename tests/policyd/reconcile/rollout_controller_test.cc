// Rollouts carried out by the real decision, plan and change code, over a provider, servers and
// evidence in memory.

#include "policyd/reconcile/rollout_controller.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/store/fake_rollout_store.h"
#include "policyd/reconcile/reason.h"
#include "tests/policyd/reconcile/forwarding_rollouts.h"
#include "tests/policyd/reconcile/test_world.h"
#include "tests/policyd/rollout/rollout_testing.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::IsOk;

const std::string kTail = "; x=1; rua=mailto:r@reports.test";
std::string Record(const std::string& policy, const std::string& test = "") {
  return "v=DMARC1; p=" + policy + kTail + test;
}
const std::string kTest = "; t=y; pct=0";

// Healthy reports of whatever day it is, and the record as the provider holds it.
class FakeEvidence final : public EvidenceGatherer {
 public:
  explicit FakeEvidence(TestWorld& world) : world_(world) {}
  Evidence Gather(const RolloutState& state, absl::Time now) override {
    ++gathered;
    Evidence evidence = HealthyEvidence(state, now, traffic);
    evidence.records.dmarc = world_.Texts(TestWorld::kDmarc);
    evidence.decisions_etag = etag;
    if (change) change(state, now, evidence);
    return evidence;
  }
  Evidence GatherControl(const RolloutState& state, absl::Time) override {
    Evidence evidence;
    evidence.domain = state.domain;
    evidence.decisions_etag = etag;
    return evidence;
  }
  absl::Time StageSince(const RolloutState&, absl::Time now) override { return now; }
  std::string DecisionsEtag(std::string_view) override { return etag; }

  std::vector<Traffic> traffic = {Traffic{}};
  std::function<void(const RolloutState&, absl::Time, Evidence&)> change;
  std::string etag = "e1";
  std::atomic<int> gathered = 0;

 private:
  TestWorld& world_;
};

std::string ReasonOf(const absl::Status& status) {
  const auto reason = ErrorReasonOf(status);
  return reason.has_value() ? reason->code : std::string(status.message());
}

class RolloutControllerTest : public testing::Test {
 protected:
  RolloutControllerTest() {
    world.provider->SetTexts(TestWorld::kDmarc, {Record("none")});
    world.clock.JumpWallTo(kBegin);
    engine = world.MakeEngine();
    controller = Make(StoreUse::kExclusive);
    world.observer = [this](const DomainName& owner, const RrSet& rrset) {
      if (owner != TestWorld::kDmarc) return;
      for (const TxtRecord& record : rrset.records) published.push_back(record.Joined());
    };
  }
  std::unique_ptr<RolloutController> Make(StoreUse use) {
    return std::make_unique<RolloutController>(
        RolloutWorld{world.store, rollouts, *engine, evidence, world.clock, world.random},
        RolloutControllerOptions{.store_use = use, .patience = absl::InfiniteDuration()});
  }
  Rollout Start(RolloutMode mode, PolicyStage target = PolicyStage::kReject) {
    RolloutState state = HealthyState();
    state.mode = mode;
    state.target = target;
    auto rollout = controller->Create(state, "ann", RunMode::kExecute);
    EXPECT_THAT(rollout, IsOk());
    return rollout.value_or(Rollout());
  }
  // So many days, with a tick each hour.
  void Days(int days) {
    for (int hour = 0; hour < 24 * days; ++hour) {
      world.clock.Advance(absl::Hours(1));
      (void)controller->Tick();
    }
  }
  RolloutState Now(const Rollout& rollout) {
    return ToRollout(rollouts.GetRollout(rollout.record.domain, rollout.record.id).value())
        .value()
        .state;
  }
  RolloutRequest Asked(const Rollout& rollout) {
    return {
        .domain = rollout.record.domain,
        .id = rollout.record.id,
        .revision = rollouts.GetRollout(rollout.record.domain, rollout.record.id).value().revision,
        .principal = "ann"};
  }
  std::vector<RolloutLogRecord> LogOf(const Rollout& rollout) {
    return rollouts.ListRolloutLog(rollout.record.domain, rollout.record.id, "", 1000).value();
  }

  TestWorld world;
  FakeRolloutStore rollouts;
  FakeEvidence evidence{world};
  std::unique_ptr<ChangeEngine> engine;
  std::unique_ptr<RolloutController> controller;
  std::vector<std::string> published;
};

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

TEST_F(RolloutControllerTest, ConfirmWaitsForAPersonsYesToTheStageThatWasShown) {
  const Rollout rollout = Start(RolloutMode::kConfirm);
  Days(10);
  AdvanceRequest request{.rollout = Asked(rollout), .stage = PolicyStage::kQuarantineTest};
  const auto early = controller->Advance(request);
  EXPECT_EQ(ReasonOf(early.status()), "GATE_UNMET");
  EXPECT_THAT(ErrorReasonOf(early.status())->metadata, Contains(testing::Key("dwell")));
  Days(40);
  EXPECT_TRUE(published.empty());
  EXPECT_THAT(LogOf(rollout).front().text, HasSubstr("ready for quarantine-test"));
  request.rollout = Asked(rollout);
  request.stage = PolicyStage::kQuarantine;
  EXPECT_EQ(ReasonOf(controller->Advance(request).status()), "FIELD_INVALID");
  request.stage = PolicyStage::kQuarantineTest;
  request.rollout.mode = RunMode::kValidateOnly;
  EXPECT_THAT(controller->Advance(request), IsOk());
  EXPECT_TRUE(published.empty());
  request.rollout.mode = RunMode::kExecute;
  request.rollout.revision -= 1;
  EXPECT_EQ(ReasonOf(controller->Advance(request).status()), "ETAG_MISMATCH");
  request.rollout = Asked(rollout);
  ASSERT_THAT(controller->Advance(request), IsOk());
  EXPECT_THAT(published, ElementsAre(Record("quarantine", kTest)));
  EXPECT_EQ(Now(rollout).stage, PolicyStage::kQuarantineTest);
  Days(40);  // one yes is for one step
  EXPECT_EQ(published.size(), 1u);
}

TEST_F(RolloutControllerTest, AdviseNeverPublishes) {
  const Rollout rollout = Start(RolloutMode::kAdvise);
  Days(50);
  EXPECT_TRUE(published.empty());
  const AdvanceRequest request{.rollout = Asked(rollout), .stage = PolicyStage::kQuarantineTest};
  EXPECT_EQ(ReasonOf(controller->Advance(request).status()), "ROLLOUT_STATE");
}

TEST_F(RolloutControllerTest, AnAbortAsksForNoEvidence) {
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

TEST_F(RolloutControllerTest, WhoAbortsIsNotToldThatATickWasQuicker) {
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

TEST_F(RolloutControllerTest, AnAbortIsTriedAgainUntilItHasBeenDone) {
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

TEST_F(RolloutControllerTest, KilledBetweenWritingDownAndApplyingItGoesOn) {
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

TEST_F(RolloutControllerTest, KilledWhileThePlanExpiresItPlansAnew) {
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

TEST_F(RolloutControllerTest, DecisionsThatChangeWhileGatheringAreAskedAgain) {
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
TEST_F(RolloutControllerTest, WhatSomebodyElsePublishedIsNoStepOfOurs) {
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
TEST_F(RolloutControllerTest, AProviderThatRefusesIsNotAskedEachTick) {
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
TEST_F(RolloutControllerTest, ARefusedPlanIsToldOnce) {
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

// Evidence takes its time, and one is gathered after the other: who waits for it must not take
// every thread from those who want to pause or abort.
TEST_F(RolloutControllerTest, FewWaitForEvidence) {
  const Rollout rollout = Start(RolloutMode::kConfirm);
  std::latch go_on(1);
  evidence.change = [&](const RolloutState&, absl::Time, Evidence&) { go_on.wait(); };
  std::atomic<int> refused = 0, explained = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < RolloutController::kMostWaiting + 3; ++i) {
    callers.emplace_back([&] {
      const auto answer = controller->Explain("example.com", rollout.record.id);
      if (!answer.ok()) {
        EXPECT_EQ(ReasonOf(answer.status()), "RATE_LIMITED");
      }
      ++(answer.ok() ? explained : refused);
    });
  }
  while (refused < 3) std::this_thread::yield();
  EXPECT_THAT(controller->Pause(Asked(rollout), ""), IsOk());
  go_on.count_down();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(explained, RolloutController::kMostWaiting);
  EXPECT_EQ(refused, 3);
  EXPECT_THAT(controller->Explain("example.com", rollout.record.id), IsOk());
}

TEST_F(RolloutControllerTest, OneOfAScopeAtATime) {
  Start(RolloutMode::kConfirm);
  RolloutState again = HealthyState();
  EXPECT_EQ(ReasonOf(controller->Create(again, "ann", RunMode::kExecute).status()),
            "ROLLOUT_ACTIVE");
  again.scope = PolicyScope::kSubdomains;
  EXPECT_THAT(controller->Create(again, "ann", RunMode::kExecute), IsOk());
}

TEST_F(RolloutControllerTest, RefusesWhatCannotBegin) {
  RolloutState state = HealthyState();
  state.settings.ordinary_mailboxes = true;
  EXPECT_EQ(ReasonOf(controller->Create(state, "ann", RunMode::kExecute).status()),
            "FIELD_INVALID");
  state = HealthyState();
  state.target = PolicyStage::kRejectTest;
  EXPECT_EQ(ReasonOf(controller->Create(state, "ann", RunMode::kExecute).status()),
            "FIELD_INVALID");
  state = HealthyState();
  world.provider->SetTexts(TestWorld::kDmarc, {Record("quarantine", "; pct=50")});
  EXPECT_EQ(ReasonOf(controller->Create(state, "ann", RunMode::kExecute).status()),
            "ROLLOUT_STATE");
  world.provider->SetTexts(TestWorld::kDmarc, {Record("none"), Record("reject")});
  EXPECT_EQ(ReasonOf(controller->Create(state, "ann", RunMode::kExecute).status()),
            "ROLLOUT_STATE");
}

}  // namespace
}  // namespace dmarcate
