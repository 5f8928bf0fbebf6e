// Two engines on one store: who may go on with what, and when a holder counts as dead.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/reconcile/lease_watch.h"
#include "policyd/reconcile/reason.h"
#include "tests/policyd/reconcile/invariants.h"
#include "tests/policyd/reconcile/mortal.h"
#include "tests/policyd/reconcile/test_world.h"

namespace dmarcate {
namespace {

ChangeEngineOptions Use(StoreUse use) {
  ChangeEngineOptions options;
  options.max_running = 1;
  options.store_use = use;
  return options;
}

class LeaseTest : public testing::Test {
 protected:
  static void TakeUp(Life& life) {
    EXPECT_TRUE(life.engine().Resume().ok());
    life.engine().WaitIdle();
  }
  // Applies in `life`, which dies at its fifth effect: the journal is there, the zone half written.
  ChangeRecord LeaveHalfWritten(Life& life) {
    const ChangeRecord plan = life.engine().Plan("example.com", {}, "p").value();
    life.killer.Arm(5);
    (void)life.engine().Apply({plan.domain, plan.id, plan.plan_digest, plan.revision, "a"});
    EXPECT_TRUE(life.killer.dead());
    ChangeRecord left = Stored(plan);
    EXPECT_EQ(left.state, ChangeState::kApplying);
    EXPECT_EQ(left.fence, 1u);
    return left;
  }
  ChangeRecord Stored(const ChangeRecord& change) {
    return world.store.GetChange(change.domain, change.id).value();
  }

  TestWorld world;
  Invariants invariants{world};
};

TEST_F(LeaseTest, InAnExclusiveStoreARestartGoesOnAtOnce) {
  Life first(world, Use(StoreUse::kExclusive));
  const ChangeRecord left = LeaveHalfWritten(first);
  Life second(world, Use(StoreUse::kExclusive));
  TakeUp(second);
  const ChangeRecord change = Stored(left);
  EXPECT_EQ(change.state, ChangeState::kSucceeded);
  EXPECT_EQ(change.fence, 2u);
  EXPECT_NE(change.lease_holder, left.lease_holder);
  invariants.CheckEnd();
}

TEST_F(LeaseTest, InASharedStoreTheLeaseRunsOutFirst) {
  Life first(world, Use(StoreUse::kShared));
  const ChangeRecord left = LeaveHalfWritten(first);
  Life second(world, Use(StoreUse::kShared));
  TakeUp(second);
  world.clock.Advance(absl::Minutes(2));
  TakeUp(second);
  EXPECT_EQ(Stored(left).revision, left.revision) << "taken before its time";
  // The wall clock proves nothing.
  world.clock.JumpWallTo(world.clock.Now() + absl::Hours(1));
  TakeUp(second);
  EXPECT_EQ(Stored(left).revision, left.revision) << "taken because of a clock";
  world.clock.JumpWallTo(world.clock.Now() - absl::Hours(1));
  world.clock.Advance(absl::Minutes(1));
  TakeUp(second);
  EXPECT_EQ(Stored(left).state, ChangeState::kSucceeded);
  EXPECT_EQ(Stored(left).fence, 2u);
  invariants.CheckEnd();
}

TEST_F(LeaseTest, TheSameEngineGoesOnUnderItsOwnNumber) {
  Life life(world, Use(StoreUse::kShared));
  world.fleet.Configure(1, {.lag = absl::Minutes(2)});
  const ChangeRecord plan = life.engine().Plan("example.com", {}, "p").value();
  ASSERT_EQ(
      life.engine().Apply({plan.domain, plan.id, plan.plan_digest, plan.revision, "a"})->state,
      ChangeState::kVerifying);
  world.clock.Advance(absl::Minutes(2));
  TakeUp(life);
  EXPECT_EQ(Stored(plan).state, ChangeState::kSucceeded);
  EXPECT_EQ(Stored(plan).fence, 1u);
}

TEST_F(LeaseTest, OfTwoThatBeginAtOnceOneWithdraws) {
  Life first(world, Use(StoreUse::kShared));
  Life second(world, Use(StoreUse::kShared));
  const ChangeRecord one =
      first.engine().Plan("example.com", {.spf_from_decisions = true}, "p").value();
  const ChangeRecord two =
      second.engine().Plan("example.com", {.dmarc_report_address = true}, "p").value();
  // While the first reads, before its intent is in the journal, the second begins.
  absl::StatusOr<ChangeRecord> other = absl::UnknownError("not run");
  world.provider->Inject({.call = FakeDnsProvider::Call::kRead, .hook = [&] {
                            world.fleet.Configure(2, {.lag = absl::Minutes(10)});
                            other = second.engine().Apply(
                                {two.domain, two.id, two.plan_digest, two.revision, "a"});
                          }});
  const absl::StatusOr<ChangeRecord> applied =
      first.engine().Apply({one.domain, one.id, one.plan_digest, one.revision, "a"});
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->state, ChangeState::kVerifying);
  EXPECT_EQ(ErrorReasonOf(applied.status())->code, "CHANGE_IN_PROGRESS");
  EXPECT_EQ(Stored(one).state, ChangeState::kPlanned) << "can be applied later";
  EXPECT_EQ(world.provider->writes(), 2) << "only the second has written";
}

TEST_F(LeaseTest, SilenceIsMeasuredFromTheLastEntrySeen) {
  LeaseWatch watch(world.clock);
  ChangeRecord change;
  change.revision = 1;
  EXPECT_FALSE(watch.IsSilent(change, absl::Minutes(3)));
  world.clock.Advance(absl::Minutes(2));
  change.revision = 2;  // alive
  EXPECT_FALSE(watch.IsSilent(change, absl::Minutes(3)));
  world.clock.Advance(absl::Minutes(2));
  EXPECT_FALSE(watch.IsSilent(change, absl::Minutes(3)));
  world.clock.Advance(absl::Minutes(1));
  EXPECT_TRUE(watch.IsSilent(change, absl::Minutes(3)));
  watch.Forget(change);
  EXPECT_FALSE(watch.IsSilent(change, absl::Minutes(3)));
}

}  // namespace
}  // namespace dmarcate
