// policyd dies at every point of a transaction: before and after each write to the store and to the
// zone. A new engine over the same store and zone must bring every change to its end.

#include <functional>

#include <gtest/gtest.h>

#include "policyd/reconcile/change_engine.h"
#include "tests/policyd/reconcile/invariants.h"
#include "tests/policyd/reconcile/mortal.h"
#include "tests/policyd/reconcile/test_world.h"

namespace dmarcate {
namespace {

using Texts = std::vector<std::string>;

class KillTest : public testing::Test {
 protected:
  // One life of policyd: an engine over the surviving store and zone, which dies after `points`
  // (never, if 0). Returns whether it died.
  bool Live(TestWorld& world, int points,
            const std::function<void(ChangeEngine&, PolicyStore&)>& work) {
    ChangeEngineOptions options;
    options.max_running = 1;
    Life life(world, options);
    if (points > 0) life.killer.Arm(points);
    work(life.engine(), life.store());
    life.engine().WaitIdle();
    return life.killer.dead();
  }

  static void ResumeAll(ChangeEngine& engine, PolicyStore&) { (void)engine.Resume(); }

  static bool HoldsOld(const TestWorld& world) {
    return world.Texts(TestWorld::kSpf) == Texts{TestWorld::kOldSpf, "verification=1"} &&
           world.Texts(TestWorld::kDmarc) == Texts{TestWorld::kOldDmarc} &&
           world.Texts(TestWorld::kReport).empty();
  }
  static bool HoldsNew(const TestWorld& world) {
    return world.Texts(TestWorld::kSpf) == Texts{TestWorld::kNewSpf, "verification=1"} &&
           world.Texts(TestWorld::kDmarc) == Texts{TestWorld::kNewDmarc} &&
           world.Texts(TestWorld::kReport) == Texts{TestWorld::kAuthorization};
  }
  static ChangeRecord Planned(TestWorld& world) {
    return world.MakeEngine()->Plan("example.com", {}, "p").value();
  }
  static ApplyRequest For(const ChangeRecord& change) {
    return {change.domain, change.id, change.plan_digest, change.revision, "a"};
  }
};

TEST_F(KillTest, ApplyEndsWhereverItWasKilledTwice) {
  int kills = 0;
  for (int first = 1;; ++first) {
    bool died_first = false;
    for (int second = 1;; ++second) {
      SCOPED_TRACE(testing::Message() << "killed at " << first << ", then at " << second);
      TestWorld world;
      const ChangeRecord plan = Planned(world);
      died_first = Live(world, first,
                        [&](ChangeEngine& engine, PolicyStore&) { (void)engine.Apply(For(plan)); });
      if (!died_first) break;
      ++kills;
      const bool died_second = Live(world, second, ResumeAll);
      Live(world, 0, ResumeAll);
      ChangeRecord change = world.store.GetChange("example.com", plan.id).value();
      if (change.state == ChangeState::kPlanned) {
        ASSERT_TRUE(HoldsOld(world));
        Live(world, 0, [&](ChangeEngine& engine, PolicyStore&) {
          EXPECT_TRUE(engine.Apply(For(plan)).ok());
        });
        change = world.store.GetChange("example.com", plan.id).value();
      }
      ASSERT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
      ASSERT_TRUE(HoldsNew(world));
      ASSERT_EQ(world.provider->writes(), 3);
      ASSERT_EQ(world.managed_terms(), plan.managed_after);
      ASSERT_TRUE(world.store.OpenChanges()->empty());
      if (!died_second) break;
    }
    if (!died_first) break;
  }
  std::printf("killed while applying: %d times\n", kills);
}

// Long after: nothing is called "failed, nothing written" once a write was announced.
TEST_F(KillTest, AnExpiredPlanFailsOnlyIfNothingWasAnnounced) {
  int failed = 0;
  int unknown = 0;
  for (int point = 1;; ++point) {
    SCOPED_TRACE(testing::Message() << "killed at " << point);
    TestWorld world;
    const ChangeRecord plan = Planned(world);
    const bool died = Live(
        world, point, [&](ChangeEngine& engine, PolicyStore&) { (void)engine.Apply(For(plan)); });
    if (!died) break;
    const ChangeRecord left = world.store.GetChange("example.com", plan.id).value();
    const bool announced = std::ranges::any_of(
        left.steps, [](const StepRecord& step) { return step.step == "WRITING"; });
    const int writes = world.provider->writes();
    world.clock.Advance(absl::Hours(1));
    Live(world, 0, ResumeAll);
    const ChangeRecord change = world.store.GetChange("example.com", plan.id).value();
    if (left.state == ChangeState::kPlanned) {
      ASSERT_EQ(change.state, ChangeState::kPlanned);
    } else if (writes > 0) {
      ASSERT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
    } else if (announced) {
      ASSERT_EQ(change.state, ChangeState::kNeedsAttention);
      ASSERT_EQ(change.error_reason, "WRITE_OUTCOME_UNKNOWN");
      ++unknown;
    } else {
      ASSERT_EQ(change.state, ChangeState::kFailed);
      ASSERT_EQ(change.error_reason, "PLAN_EXPIRED");
      ++failed;
    }
  }
  EXPECT_GT(failed, 0);
  EXPECT_GT(unknown, 0);
}

TEST_F(KillTest, AutomaticRollbackEndsWhereverItWasKilled) {
  int kills = 0;
  for (int point = 1;; ++point) {
    SCOPED_TRACE(testing::Message() << "killed at " << point);
    TestWorld world;
    const ChangeRecord plan = Planned(world);
    world.provider->Inject({.moment = FakeDnsProvider::Moment::kAfter,
                            .hook = [&] { world.resolver.Remove(Name("a.test")); },
                            .skip = 2});
    const bool died = Live(
        world, point, [&](ChangeEngine& engine, PolicyStore&) { (void)engine.Apply(For(plan)); });
    Live(world, 0, ResumeAll);
    const ChangeRecord change = world.store.GetChange("example.com", plan.id).value();
    const bool ended = change.state == ChangeState::kRolledBack ||
                       change.state == ChangeState::kSucceeded ||
                       change.state == ChangeState::kPlanned;
    ASSERT_TRUE(ended) << static_cast<int>(change.state) << change.error_message;
    if (change.state == ChangeState::kSucceeded) {
      // Killed before the third write, which then went through unharmed by the fault.
      ASSERT_TRUE(HoldsNew(world));
    } else {
      ASSERT_TRUE(HoldsOld(world));
      ASSERT_TRUE(world.managed_terms().empty());
    }
    if (!died) {
      ASSERT_EQ(change.state, ChangeState::kRolledBack);
      break;
    }
    ++kills;
  }
  std::printf("killed while going back: %d times\n", kills);
}

TEST_F(KillTest, RollbackEndsWhereverItWasKilled) {
  int kills = 0;
  for (int point = 1;; ++point) {
    SCOPED_TRACE(testing::Message() << "killed at " << point);
    TestWorld world;
    const ChangeRecord plan = Planned(world);
    Live(world, 0,
         [&](ChangeEngine& engine, PolicyStore&) { ASSERT_TRUE(engine.Apply(For(plan)).ok()); });
    const auto roll_back = [&](ChangeEngine& engine, PolicyStore& store) {
      const absl::StatusOr<ChangeRecord> now = store.GetChange("example.com", plan.id);
      if (now.ok()) (void)engine.Rollback({now->domain, now->id, now->revision, "a"});
    };
    const bool died = Live(world, point, roll_back);
    Live(world, 0, ResumeAll);
    Live(world, 0, roll_back);  // the operator asks again
    const ChangeRecord original = world.store.GetChange("example.com", plan.id).value();
    ASSERT_EQ(original.state, ChangeState::kRolledBack);
    ASSERT_EQ(world.store.GetChange("example.com", original.rolled_back_by)->state,
              ChangeState::kSucceeded);
    ASSERT_TRUE(HoldsOld(world));
    ASSERT_TRUE(world.managed_terms().empty());
    ASSERT_EQ(world.provider->writes(), 6);
    ASSERT_TRUE(world.store.OpenChanges()->empty());
    if (!died) break;
    ++kills;
  }
  std::printf("killed while rolling back: %d times\n", kills);
}

}  // namespace
}  // namespace dmarcate
