#include "ingestd/intake/retention.h"

#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/base/time.h"
#include "lib/mailauth/public_suffix_list.h"
#include "tests/ingestd/fakes.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

TEST(Retention, WhatHasExpiredFollowsFromTheTime) {
  const absl::Time now = StartOfDay(20'000) + absl::Hours(7);
  const ExpiryCutoffs cutoffs = CutoffsAt(Retention(), now);
  EXPECT_EQ(cutoffs.failure, now - 30 * kDay);
  EXPECT_EQ(cutoffs.raw, now - 90 * kDay);
  EXPECT_EQ(cutoffs.quarantine, now - 90 * kDay);
  EXPECT_EQ(cutoffs.rows, now - 730 * kDay);
  EXPECT_EQ(cutoffs.totals, 20'000 - 1826);
}

TEST(Retention, ForEverIsForEver) {
  Retention retention;
  retention.raw = retention.rows = retention.totals = absl::InfiniteDuration();
  const ExpiryCutoffs cutoffs = CutoffsAt(retention, StartOfDay(20'000));
  EXPECT_EQ(cutoffs.raw, absl::InfinitePast());
  EXPECT_EQ(cutoffs.rows, absl::InfinitePast());
  EXPECT_EQ(cutoffs.totals, 0);
  // A clock before all days.
  EXPECT_EQ(CutoffsAt(Retention(), absl::UnixEpoch()).totals, 0);
}

class SweeperTest : public testing::Test {
 protected:
  SweeperTest()
      : crashes_(*CrashJournal::Open(directory_.File("crashes"))),
        pipeline_(store_, *suffixes_, *crashes_, ingest_testing::FakeUnpack,
                  [](const absl::Status&) {}, {}) {
    EXPECT_TRUE(pipeline_.Start().ok());
    Delivery delivery = ingest_testing::MakeDelivery("report a.test 1");
    clock_.JumpWallTo(delivery.received_time);
    std::promise<void> read;
    pipeline_.Submit(
        std::move(delivery), [](const auto&) {}, [&](const auto&) { read.set_value(); });
    read.get_future().wait();
  }
  bool RawIsThere() { return store_.ReadRaw(Sha256("report a.test 1")).ok(); }

  testing_support::TempDir directory_;
  std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  ingest_testing::ObservedStore store_;
  std::unique_ptr<CrashJournal> crashes_;
  FakeClock clock_{absl::UnixEpoch()};
  Pipeline pipeline_;
};

TEST_F(SweeperTest, LetsGoWhenItsTimeHasCome) {
  RetentionSweeper sweeper(clock_, Retention(), pipeline_);
  clock_.Advance(90 * kDay);
  EXPECT_EQ(sweeper.Sweep()->raw, 0);
  EXPECT_TRUE(RawIsThere());
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(sweeper.Sweep()->raw, 1);
  EXPECT_FALSE(RawIsThere());
  clock_.Advance(640 * kDay);
  EXPECT_EQ(sweeper.Sweep()->reports, 1);
}

TEST_F(SweeperTest, ItsTimerSweepsAndItStops) {
  SweeperOptions options;
  options.first_after = options.interval = absl::Milliseconds(1);
  RetentionSweeper sweeper(clock_, Retention(), pipeline_, options);
  clock_.Advance(91 * kDay);
  sweeper.Start();
  while (RawIsThere()) std::this_thread::yield();
  sweeper.Stop();
}

}  // namespace
}  // namespace dmarcate
