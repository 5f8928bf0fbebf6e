// MTA-STS through the real controller, from a seed each: no never-event in any world, each decision
// made again is the same, and where all is well in the end it comes to its end.
//
// DMARCATE_SUITE=simulation runs 5,000 seeds; DMARCATE_SEED=N only that one.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "gtest/gtest.h"

#include "policyd/mta_sts/live_record.h"
#include "policyd/mta_sts/policy_file.h"
#include "tests/simulation/sts_sim.h"

namespace dmarcate::simulation {
namespace {

constexpr uint64_t kSeeds = 260;
constexpr uint64_t kSeedsOfTheSuite = 5'000;

uint64_t NumberFrom(const char* variable) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
}

bool IsHonest(uint64_t seed) { return seed % 4 == 0; }

// What is true once nothing has gone wrong for long enough.
void ExpectSettled(StsSim& sim) {
  const std::optional<StsRollout> last = sim.Last();
  ASSERT_TRUE(last.has_value());
  const StsState& state = last->state;
  SCOPED_TRACE(testing::Message() << ToString(state.status) << " at " << ToString(state.stage)
                                  << " " << ToString(state.pause_reason) << " "
                                  << state.pause_detail << "\n"
                                  << sim.Explanation());
  EXPECT_TRUE(state.pending_change.empty());
  EXPECT_TRUE(sim.idle()) << "a change is open";
  const LiveStsRecord live = FindStsRecord(sim.Live());
  EXPECT_EQ(live.id, state.record_id);
  EXPECT_EQ(live.none(), state.stage == StsStage::kOff);
  EXPECT_EQ(sim.Served().value_or(""), state.move.has_value() ? state.move->file : state.file);
  const bool withdrawing = state.abort_to == StsStage::kOff && state.stage == StsStage::kWithdrawn;
  // Of a gate that is truly unmet: what failed before nothing went wrong counts, too.
  const bool failed = state.status == RolloutStatus::kActive && state.stage == StsStage::kTesting &&
                      sim.FailedShare() > state.settings.failure_share / 2;
  EXPECT_TRUE(state.status == RolloutStatus::kCompleted ||
              state.status == RolloutStatus::kAborted || withdrawing || failed);
  if (state.status == RolloutStatus::kCompleted) {
    EXPECT_EQ(state.stage, state.target);
    EXPECT_EQ(state.file, WantedStsFile(state.settings, state.target));
  }
}

TEST(StsSimulationTest, NoNeverEventAndItComesToItsEnd) {
  const uint64_t only = NumberFrom("DMARCATE_SEED");
  const bool suite = std::getenv("DMARCATE_SUITE") != nullptr;
  const uint64_t first = only != 0 ? only : 1;
  const uint64_t last = only != 0 ? only : suite ? kSeedsOfTheSuite : kSeeds;
  int64_t kills = 0, announced = 0, removed = 0, downs = 0, replayed = 0, refused = 0;
  int64_t honest = 0, enforced = 0;
  for (uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE(testing::Message() << "DMARCATE_SEED=" << seed);
    StsSim sim(seed, IsHonest(seed));
    sim.Run(IsHonest(seed) ? 40 : 200);
    if (IsHonest(seed)) {
      ++honest;
      EXPECT_LE(sim.enforced - sim.begin(), absl::Hours(24 * 30)) << "honest, and not there";
    }
    sim.Heal(50);
    sim.ReplayAll();
    EXPECT_TRUE(sim.violations().empty()) << sim.violations().front();
    ExpectSettled(sim);
    if (HasFailure()) return;
    kills += sim.kills;
    announced += sim.announced;
    removed += sim.removed;
    downs += sim.steps_down;
    replayed += sim.replayed;
    refused += sim.refused;
    enforced += sim.enforced != absl::InfiniteFuture() ? 1 : 0;
  }
  std::printf(
      "mta-sts simulation: %ld worlds (%ld honest), %ld kills, %ld ids announced, %ld records "
      "removed, %ld steps down, %ld yes to another file refused, %ld decisions made again; %ld "
      "worlds reached enforce; 0 never-events\n",
      static_cast<long>(last - first + 1), honest, kills, announced, removed, downs, refused,
      replayed, enforced);
  if (only != 0) return;
  // Else nothing was tried.
  EXPECT_GT(kills, 1000);
  EXPECT_GT(removed, 10);
  EXPECT_GT(downs, 3);
  EXPECT_GT(refused, 10);
  EXPECT_GT(enforced, 100);
}

}  // namespace
}  // namespace dmarcate::simulation
