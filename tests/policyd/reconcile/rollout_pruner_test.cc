// What of a rollout's log may be forgotten.

#include "policyd/reconcile/rollout_pruner.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/store/fake_rollout_store.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing_support::IsOk;

RolloutLogRecord Entry(const std::string& id, RolloutEvent event, bool alert = false,
                       const std::string& change = "") {
  RolloutLogRecord out;
  out.id = id;
  out.event = event;
  out.alert = alert;
  out.change_id = change;
  return out;
}

void Add(std::vector<RolloutLogRecord>& log, size_t count, RolloutEvent event, bool alert = false) {
  for (size_t i = 0; i < count; ++i) log.push_back(Entry("", event, alert));
}

TEST(EntriesToForget, TheOldestQuietDecisionsGo) {
  std::vector<RolloutLogRecord> log;
  Add(log, kQuietEntriesKept - 1, RolloutEvent::kDecided);
  log.push_back(Entry("stays", RolloutEvent::kDecided));
  log.push_back(Entry("goes", RolloutEvent::kDecided));
  log.push_back(Entry("paused", RolloutEvent::kDecided, true));
  log.push_back(Entry("goes, too", RolloutEvent::kDecided));
  EXPECT_THAT(EntriesToForget(log), ElementsAre("goes", "goes, too"));
}

TEST(EntriesToForget, WhatExplainsThePresentStays) {
  std::vector<RolloutLogRecord> log;
  Add(log, kTroubleEntriesKept, RolloutEvent::kFailed, true);
  log.push_back(Entry("paused long ago", RolloutEvent::kDecided, true));
  log.push_back(Entry("live", RolloutEvent::kPublished, false, "c1"));
  log.push_back(Entry("step", RolloutEvent::kStarted, false, "c1"));
  log.push_back(Entry("failed", RolloutEvent::kFailed, true, "c0"));
  log.push_back(Entry("for nothing", RolloutEvent::kStarted, false, "c0"));
  log.push_back(Entry("person", RolloutEvent::kPerson));
  EXPECT_THAT(EntriesToForget(log), ElementsAre("paused long ago", "failed", "for nothing"));
  log.erase(log.begin(), log.begin() + 3);
  EXPECT_THAT(EntriesToForget(log), IsEmpty());
}

TEST(RolloutPrunerTest, LooksOnceAWeekAndTakesTheOldest) {
  FakeRolloutStore store;
  FakeClock clock(absl::FromUnixSeconds(1'800'000'000));
  RolloutRecord record;
  record.domain = "example.com";
  record.id = "r1";
  std::vector<RolloutLogRecord> log;
  for (int i = 0; i < 200; ++i) {
    log.push_back(Entry("", RolloutEvent::kDecided));
    log.back().text = std::to_string(i);
  }
  record = store.PutRollout(record, log).value();
  RolloutPruner pruner(store, clock);
  ASSERT_THAT(pruner.Prune(record), IsOk());
  const auto left = [&] { return store.ListRolloutLog("example.com", "r1", "", 1000).value(); };
  ASSERT_EQ(left().size(), kQuietEntriesKept);
  EXPECT_EQ(left().back().text, "80");
  EXPECT_EQ(left().front().text, "199");
  record = store.PutRollout(record, log).value();
  clock.Advance(absl::Hours(6 * 24));
  ASSERT_THAT(pruner.Prune(record), IsOk());
  EXPECT_EQ(left().size(), kQuietEntriesKept + 200);
  // A wrong clock neither hurries it nor takes more.
  clock.JumpWallTo(absl::FromUnixSeconds(1'900'000'000));
  clock.Advance(absl::Hours(25));
  ASSERT_THAT(pruner.Prune(record), IsOk());
  EXPECT_EQ(left().size(), kQuietEntriesKept);
}

}  // namespace
}  // namespace dmarcate
