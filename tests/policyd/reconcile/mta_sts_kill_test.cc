// policyd dies at every point of an MTA-STS rollout: before and after each write to a store and to
// the zone. The next life goes on, no id is ever written without its file, and it ends where it
// would have.

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/policyd/reconcile/sts_life.h"
#include "tests/policyd/reconcile/sts_world.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing_support::IsOk;

// Hours of one life, with a tick each; ends when it dies.
bool Live(StsTestWorld& world, int points, int hours) {
  StsLife life(world.world, world.rollouts, world.evidence);
  if (points > 0) life.killer().Arm(points);
  life.Begin();
  for (int hour = 0; hour < hours && !life.killer().dead(); ++hour) {
    world.world.clock.Advance(absl::Hours(1));
    (void)life.controller().Tick();
    life.End();
  }
  return life.killer().dead();
}

const std::string& Enforce() {
  static const std::string kFile = WantedStsFile(HealthyStsSettings(), StsStage::kEnforce);
  return kFile;
}

TEST(MtaStsKill, OffToEnforceWhereverItWasKilled) {
  int kills = 0;
  for (int point = 1;; ++point) {
    SCOPED_TRACE(testing::Message() << "killed at " << point);
    StsTestWorld world;
    ASSERT_THAT(world.controller->Create(StsTestWorld::Wanted(RolloutMode::kAutomatic), "ann",
                                         RunMode::kExecute),
                IsOk());
    const bool died = Live(world, point, 24 * 25);
    if (died) ++kills;
    Live(world, 0, 24 * 25);
    EXPECT_THAT(world.unfounded_ids, IsEmpty());
    StsState state = world.Now();
    // A change of which nobody knows how it ended is a person's to look at; it is not guessed.
    if (state.status == RolloutStatus::kPaused) {
      ASSERT_TRUE(died);
      EXPECT_EQ(state.pause_reason, StsPause::kAttention) << state.pause_detail;
      continue;
    }
    EXPECT_EQ(state.status, RolloutStatus::kCompleted);
    EXPECT_EQ(state.stage, StsStage::kEnforce);
    EXPECT_THAT(world.world.Texts(kStsOwner), ElementsAre(StsRecordText(state.record_id)));
    EXPECT_TRUE(IsStsIdOf(Enforce(), state.record_id));
    EXPECT_EQ(world.web.File(), Enforce());
    EXPECT_TRUE(state.pending_change.empty());
    EXPECT_TRUE(world.world.store.OpenChanges()->empty());
    if (!died) break;
  }
  std::printf("killed on the way up: %d times\n", kills);
  EXPECT_GT(kills, 20);
}

TEST(MtaStsKill, WithdrawalWhereverItWasKilled) {
  int kills = 0;
  for (int point = 1;; ++point) {
    SCOPED_TRACE(testing::Message() << "killed at " << point);
    StsTestWorld world;
    ASSERT_THAT(world.controller->Create(StsTestWorld::Wanted(RolloutMode::kAutomatic), "ann",
                                         RunMode::kExecute),
                IsOk());
    world.Days(20);
    ASSERT_EQ(world.Now().stage, StsStage::kEnforce);
    world.Hours(1);
    {
      StsLife life(world.world, world.rollouts, world.evidence);
      life.killer().Arm(point);
      life.Begin();
      RolloutRequest request = world.Asked();
      request.revision = 0;
      (void)life.controller().Abort(request, StsStage::kOff);
      life.End();
      for (int hour = 0; hour < 3 && !life.killer().dead(); ++hour) {
        world.world.clock.Advance(absl::Hours(1));
        (void)life.controller().Tick();
        life.End();
      }
      if (!life.killer().dead()) {
        EXPECT_EQ(world.Now().stage, StsStage::kWithdrawn);
        break;
      }
    }
    ++kills;
    // Who was not answered asks again.
    RolloutRequest request = world.Asked();
    request.revision = 0;
    {
      StsLife life(world.world, world.rollouts, world.evidence);
      life.Begin();
      (void)life.controller().Abort(request, StsStage::kOff);
      life.End();
    }
    Live(world, 0, 24 * 33);
    EXPECT_THAT(world.unfounded_ids, IsEmpty());
    const StsState state = world.Now();
    EXPECT_EQ(state.stage, StsStage::kOff) << state.pause_detail;
    EXPECT_EQ(state.status, RolloutStatus::kAborted);
    EXPECT_THAT(world.world.Texts(kStsOwner), IsEmpty());
    EXPECT_EQ(world.web.File(), std::nullopt);
  }
  std::printf("killed on the way down: %d times\n", kills);
  EXPECT_GT(kills, 8);
}

}  // namespace
}  // namespace dmarcate
