// Plans that are applied later: a window in which they can be cancelled, and all checks anew when
// the time comes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/reconcile/reason.h"
#include "tests/policyd/reconcile/invariants.h"
#include "tests/policyd/reconcile/test_world.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

class DelayedApplyTest : public testing::Test {
 protected:
  ChangeRecord Scheduled(absl::Duration delay = absl::Minutes(10)) {
    const ChangeRecord plan = engine->Plan("example.com", {}, "tokens/p").value();
    return engine
        ->Apply({plan.domain, plan.id, plan.plan_digest, plan.revision, "tokens/a",
                 RunMode::kExecute, delay})
        .value();
  }
  // What policyd's timer does.
  void Tick(absl::Duration after) {
    world.clock.Advance(after);
    EXPECT_TRUE(engine->Resume().ok());
    engine->WaitIdle();
  }
  ChangeRecord Stored(const ChangeRecord& change) {
    return world.store.GetChange(change.domain, change.id).value();
  }
  absl::StatusOr<ChangeRecord> Cancel(const ChangeRecord& change) {
    return engine->Cancel({change.domain, change.id, change.revision, "tokens/c"});
  }
  static std::string CodeOf(const absl::Status& status) {
    const std::optional<ErrorReason> reason = ErrorReasonOf(status);
    return reason.has_value() ? reason->code : status.ToString();
  }

  TestWorld world;
  Invariants invariants{world};
  std::unique_ptr<ChangeEngine> engine = world.MakeEngine();
};

TEST_F(DelayedApplyTest, IsAppliedWhenTheTimeComes) {
  const ChangeRecord scheduled = Scheduled();
  EXPECT_EQ(scheduled.state, ChangeState::kPlanned);
  EXPECT_EQ(scheduled.apply_after, world.clock.Now() + absl::Minutes(10));
  EXPECT_EQ(scheduled.applied_by, "tokens/a");
  Tick(absl::Minutes(9));
  EXPECT_EQ(world.provider->writes(), 0);
  Tick(absl::Minutes(1));
  EXPECT_EQ(Stored(scheduled).state, ChangeState::kSucceeded);
  EXPECT_EQ(Stored(scheduled).applied_by, "tokens/a");
  invariants.CheckEnd();
}

TEST_F(DelayedApplyTest, SurvivesARestart) {
  const ChangeRecord scheduled = Scheduled();
  engine.reset();
  engine = world.MakeEngine();
  Tick(absl::Minutes(9));
  EXPECT_EQ(world.provider->writes(), 0);
  // The first look after a start measures by the wall clock, the rest by the other one.
  world.clock.JumpWallTo(world.clock.Now() - absl::Hours(24));
  Tick(absl::Minutes(1));
  EXPECT_EQ(Stored(scheduled).state, ChangeState::kSucceeded);
}

TEST_F(DelayedApplyTest, AClockThatWasSetBackBeforeARestartMakesNobodyWaitLonger) {
  const ChangeRecord scheduled = Scheduled();
  world.clock.JumpWallTo(world.clock.Now() - absl::Hours(24 * 366));
  engine.reset();
  engine = world.MakeEngine();
  Tick(absl::ZeroDuration());
  EXPECT_EQ(world.provider->writes(), 0);
  Tick(absl::Minutes(10));
  EXPECT_EQ(Stored(scheduled).state, ChangeState::kSucceeded);
}

TEST_F(DelayedApplyTest, CanBeLaterThanThePlanWouldLive) {
  const ChangeRecord scheduled = Scheduled(absl::Hours(5));
  EXPECT_GT(scheduled.plan_expire_time, scheduled.apply_after);
  Tick(absl::Hours(5));
  EXPECT_EQ(Stored(scheduled).state, ChangeState::kSucceeded);
}

TEST_F(DelayedApplyTest, CanBeCancelledUntilThen) {
  const ChangeRecord scheduled = Scheduled();
  const ChangeRecord cancelled = Cancel(scheduled).value();
  EXPECT_EQ(cancelled.state, ChangeState::kCancelled);
  EXPECT_EQ(cancelled.end_time, world.clock.Now());
  EXPECT_EQ(cancelled.steps.back().detail, "by tokens/c");
  EXPECT_EQ(Cancel(cancelled)->revision, cancelled.revision) << "twice is once";
  Tick(absl::Minutes(20));
  EXPECT_EQ(Stored(scheduled).state, ChangeState::kCancelled);
  EXPECT_EQ(world.provider->writes(), 0);
  EXPECT_EQ(CodeOf(engine
                       ->Apply({cancelled.domain, cancelled.id, cancelled.plan_digest,
                                cancelled.revision, "tokens/a"})
                       .status()),
            "CHANGE_STATE");
}

TEST_F(DelayedApplyTest, CancelWantsWhatWasShown) {
  const ChangeRecord scheduled = Scheduled();
  CancelRequest request{scheduled.domain, scheduled.id, scheduled.revision - 1, "tokens/c"};
  EXPECT_EQ(CodeOf(engine->Cancel(request).status()), "ETAG_MISMATCH");
  request.revision = scheduled.revision;
  request.mode = RunMode::kValidateOnly;
  EXPECT_TRUE(engine->Cancel(request).ok());
  EXPECT_EQ(Stored(scheduled).state, ChangeState::kPlanned);
  Tick(absl::Minutes(10));
  EXPECT_EQ(CodeOf(Cancel(Stored(scheduled)).status()), "CHANGE_STATE");
}

TEST_F(DelayedApplyTest, TheZoneMayHaveChangedByThen) {
  const ChangeRecord scheduled = Scheduled();
  world.provider->SetTexts(TestWorld::kSpf, {TestWorld::kOldSpf, "verification=2"});
  Tick(absl::Minutes(10));
  EXPECT_EQ(Stored(scheduled).state, ChangeState::kFailed);
  EXPECT_EQ(Stored(scheduled).error_reason, "STALE_PLAN");
  EXPECT_EQ(world.provider->writes(), 0);
}

TEST_F(DelayedApplyTest, ASourceMayHaveBeenRejectedByThen) {
  const ChangeRecord scheduled = Scheduled(absl::Hours(24));
  world.Decide("a", SourceState::kRejected, "a.test");
  Tick(absl::Hours(24));
  EXPECT_EQ(Stored(scheduled).state, ChangeState::kFailed);
  EXPECT_EQ(Stored(scheduled).error_reason, "STALE_PLAN");
  EXPECT_EQ(world.provider->writes(), 0);
}

TEST_F(DelayedApplyTest, TheGuardsMayRefuseByThen) {
  const ChangeRecord scheduled = Scheduled();
  world.resolver.Remove(Name("a.test"));
  Tick(absl::Minutes(10));
  EXPECT_EQ(Stored(scheduled).state, ChangeState::kFailed);
  EXPECT_EQ(Stored(scheduled).error_reason, "GUARD_REFUSED");
  EXPECT_EQ(world.provider->writes(), 0);
  invariants.CheckEnd();
}

TEST_F(DelayedApplyTest, IsRefusedAtOnceIfItCouldNotBeAppliedNow) {
  const ChangeRecord plan = engine->Plan("example.com", {}, "tokens/p").value();
  world.resolver.Remove(Name("a.test"));
  EXPECT_EQ(CodeOf(engine
                       ->Apply({plan.domain, plan.id, plan.plan_digest, plan.revision, "tokens/a",
                                RunMode::kExecute, absl::Minutes(10)})
                       .status()),
            "GUARD_REFUSED");
  EXPECT_FALSE(Stored(plan).scheduled());
}

TEST_F(DelayedApplyTest, AProviderThatIsDownThenIsAskedAgain) {
  const ChangeRecord scheduled = Scheduled();
  world.provider->Inject({.call = FakeDnsProvider::Call::kFindZone,
                          .status = absl::UnavailableError("down"),
                          .times = 1'000'000});
  Tick(absl::Minutes(10));
  EXPECT_EQ(Stored(scheduled).state, ChangeState::kPlanned);
  world.provider->ClearFaults();
  Tick(absl::Seconds(30));
  EXPECT_EQ(Stored(scheduled).state, ChangeState::kSucceeded);
}

TEST_F(DelayedApplyTest, OnesTimeMayPassWhileAnotherRuns) {
  const ChangeRecord scheduled = Scheduled();
  const ChangeRecord other =
      engine->Plan("example.com", {.dmarc_report_address = true}, "tokens/p").value();
  world.fleet.Configure(1, {.lag = absl::Minutes(20)});
  ASSERT_EQ(
      engine->Apply({other.domain, other.id, other.plan_digest, other.revision, "tokens/a"})->state,
      ChangeState::kVerifying);
  Tick(absl::Minutes(10));
  EXPECT_EQ(Stored(scheduled).state, ChangeState::kPlanned) << "waits its turn";
  Tick(absl::Minutes(10));
  Tick(absl::Seconds(30));
  EXPECT_EQ(Stored(other).state, ChangeState::kSucceeded);
  EXPECT_EQ(Stored(scheduled).error_reason, "STALE_PLAN");
}

TEST_F(DelayedApplyTest, APersonMayApplyItBefore) {
  const ChangeRecord scheduled = Scheduled();
  EXPECT_EQ(engine
                ->Apply({scheduled.domain, scheduled.id, scheduled.plan_digest, scheduled.revision,
                         "tokens/b"})
                ->state,
            ChangeState::kSucceeded);
  EXPECT_EQ(Stored(scheduled).applied_by, "tokens/b");
  Tick(absl::Minutes(20));
  EXPECT_EQ(world.provider->writes(), 3);
}

TEST_F(DelayedApplyTest, TheRollbackShownIsTheRollbackDone) {
  const ChangeRecord scheduled = Scheduled();
  Tick(absl::Minutes(10));
  const ChangeRecord applied = Stored(scheduled);
  RollbackRequest request{applied.domain, applied.id, applied.revision, "tokens/a"};
  request.mode = RunMode::kValidateOnly;
  const ChangeRecord shown = engine->Rollback(request).value();
  request.mode = RunMode::kExecute;
  request.plan_digest = std::string(64, '0');
  EXPECT_EQ(CodeOf(engine->Rollback(request).status()), "PLAN_DIGEST_MISMATCH");
  request.plan_digest = shown.plan_digest;
  EXPECT_EQ(engine->Rollback(request)->state, ChangeState::kSucceeded);
  invariants.CheckEnd();
}

}  // namespace
}  // namespace dmarcate
