// A change of many domains whose policyd is killed: every point of it.

#include <cstdio>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "policyd/reconcile/fleet_engine.h"
#include "tests/policyd/reconcile/fleet_world.h"

namespace dmarcate {
namespace {

// Killed before and after each entry in a store and each write to a zone; the next life finishes,
// and no record is written twice.
TEST(FleetKillTest, EndsWhereverItWasKilled) {
  int kills = 0;
  for (int point = 1;; ++point) {
    SCOPED_TRACE(testing::Message() << "killed at " << point);
    FleetTestWorld world(3);
    FleetRecord fleet;
    {
      FleetLife life(world);
      fleet = life.Plan();
    }
    bool died = false;
    {
      FleetLife life(world);
      life.killer.Arm(point);
      (void)life.engine().Apply(life.For(fleet, {.canaries = 1, .max_failures = 0}));
      while (!life.killer.dead()) {
        const absl::StatusOr<FleetProgress> progress = life.engine().Look(fleet.id);
        if (progress.ok() && progress->record.state == FleetState::kSucceeded) break;
        absl::SleepFor(absl::Microseconds(200));
      }
      died = life.killer.dead();
    }
    FleetLife next(world);
    ASSERT_TRUE(next.changes().Resume().ok());
    next.changes().WaitIdle();
    ASSERT_TRUE(next.engine().TakeUp().ok());
    fleet = next.engine().Look(fleet.id)->record;
    if (fleet.state == FleetState::kPlanned) (void)next.engine().Apply(next.For(fleet));
    next.engine().WaitIdle();
    ASSERT_EQ(next.engine().Look(fleet.id)->record.state, FleetState::kSucceeded);
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(world.HoldsNew(world.NameOf(i)));
      ASSERT_EQ(world.WritesOf(world.NameOf(i)), 1);
    }
    ASSERT_TRUE(world.store.OpenChanges()->empty());
    if (!died) break;
    ++kills;
  }
  std::printf("killed while applying a fleet: %d times\n", kills);
  EXPECT_GT(kills, 20);
}

// The same while planning and while rolling back.
TEST(FleetKillTest, PlanningAndRollbacksEndWhereverTheyWereKilled) {
  int kills = 0;
  for (int point = 1;; ++point) {
    SCOPED_TRACE(testing::Message() << "killed at " << point);
    FleetTestWorld world(2);
    FleetRecord fleet;
    {
      FleetLife life(world);
      fleet = life.Plan();
      ASSERT_EQ(life.Apply(fleet).record.state, FleetState::kSucceeded);
    }
    bool died = false;
    {
      FleetLife life(world);
      life.killer.Arm(point);
      FleetRequest request;
      request.selection.rollback_of = fleet.id;
      const absl::StatusOr<FleetRecord> back = life.engine().Create(request);
      bool applied = false;
      while (back.ok() && !life.killer.dead()) {
        const absl::StatusOr<FleetProgress> progress = life.engine().Look(back->id);
        if (!progress.ok() || progress->record.state == FleetState::kSucceeded) break;
        if (progress->record.state == FleetState::kPlanned && !std::exchange(applied, true)) {
          (void)life.engine().Apply(life.For(progress->record));
        }
        absl::SleepFor(absl::Microseconds(200));
      }
      died = life.killer.dead();
    }
    FleetLife next(world);
    ASSERT_TRUE(next.changes().Resume().ok());
    next.changes().WaitIdle();
    ASSERT_TRUE(next.engine().TakeUp().ok());
    next.engine().WaitIdle();
    std::vector<FleetRecord> fleets = *world.fleets.ListFleets("", 9);
    if (fleets.size() == 2 && fleets[0].state == FleetState::kPlanned) {
      (void)next.engine().Apply(next.For(fleets[0]));
      next.engine().WaitIdle();
      fleets = *world.fleets.ListFleets("", 9);
    }
    if (fleets.size() == 2) {  // else it was killed before it was stored
      ASSERT_EQ(fleets[0].state, FleetState::kSucceeded) << fleets[0].pause_message;
      for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(world.HoldsOld(world.NameOf(i)));
        ASSERT_EQ(world.WritesOf(world.NameOf(i)), 2);
      }
    }
    ASSERT_TRUE(world.store.OpenChanges()->empty());
    if (!died) break;
    ++kills;
  }
  std::printf("killed while undoing a fleet: %d times\n", kills);
  EXPECT_GT(kills, 15);
}

}  // namespace
}  // namespace dmarcate
