// What expires or is purged gives its space back by itself: families are written anew only when
// they have become three times as large, and must not keep until then what is gone.

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "rocksdb/env.h"

#include "lib/base/digest.h"
#include "lib/store/rocks_report_store.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

constexpr int kReceipts = 2000;
constexpr int kInOneCommit = 100;
constexpr int kKept = kReceipts / 10;
constexpr char kOldDomain[] = "example.com", kNewDomain[] = "example.net";

// As the disk would see it so much later.
class LaterEnv final : public rocksdb::EnvWrapper {
 public:
  explicit LaterEnv(absl::Duration later)
      : EnvWrapper(rocksdb::Env::Default()), later_(absl::ToInt64Seconds(later)) {}
  rocksdb::Status GetCurrentTime(int64_t* seconds) override {
    const rocksdb::Status status = target()->GetCurrentTime(seconds);
    *seconds += later_;
    return status;
  }

 private:
  const int64_t later_;
};

class SpaceTest : public testing::Test {
 protected:
  using Bytes = std::map<std::string, uint64_t>;

  // The last tenth came later, and is about another domain. Then all is written in its final form.
  SpaceTest() : writer_(*RocksReportWriter::Open(Path())) {
    for (int first = 0; first < kReceipts; first += kInOneCommit) TakeIn(first);
    EXPECT_TRUE(writer_->Compact().ok());
    before_ = FileBytes();
  }
  // Receipts from `first` on, each with a report of its own. They cannot be compressed much.
  void TakeIn(int first) {
    CommitBatch accept, process;
    for (int i = first; i < first + kInOneCommit; ++i) {
      accept.accepted.push_back(Accept(fmt::format("{:016x}{:016x}{}", random_(), random_(), i)));
      accept.accepted.back().receipt.received_time = StartOfDay(kTestDay + (IsKept(i) ? 9 : 1));
    }
    const auto accepted = writer_->Commit(std::move(accept), Sync::kNo);
    ASSERT_TRUE(accepted.ok()) << accepted.status();
    for (int i = first; i < first + kInOneCommit; ++i) {
      const std::string id = std::to_string(random_());
      StoredReport report = MakeReport(IsKept(i) ? kNewDomain : kOldDomain, kTestDay - i % 20, id,
                                       id, std::vector<uint64_t>(20, 1));
      for (AggregateRecord& record : report.report.records) {
        record.source_ip = IpAddress::FromV4(static_cast<uint32_t>(random_()));
      }
      process.processed.push_back(
          Process(accepted->accepted[static_cast<size_t>(i - first)], {report}));
    }
    ASSERT_TRUE(writer_->Commit(std::move(process), Sync::kNo).ok());
  }
  static bool IsKept(int i) { return i >= kReceipts - kKept; }
  std::string Path() const { return directory_.path("reports"); }
  Bytes FileBytes() const {
    Bytes out;
    for (const auto& [family, bytes] : writer_->FileBytes()) out[family] = bytes;
    return out;
  }
  void Expire(const ExpiryCutoffs& cutoffs) {
    while (true) {
      const auto result = writer_->Expire(cutoffs, 1000);
      ASSERT_TRUE(result.ok()) << result.status();
      if (!result->more) break;
    }
  }
  void OpenAgain(rocksdb::Env* env = nullptr) {
    writer_.reset();
    writer_ = *RocksReportWriter::Open(Path(), env);
  }
  bool Shrinks(const std::string& family, uint64_t bytes,
               absl::Duration limit = absl::Seconds(20)) const {
    const absl::Time deadline = absl::Now() + limit;
    while (FileBytes()[family] > bytes && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    return FileBytes()[family] <= bytes;
  }
  // Waits until `family` has shrunk to what is kept and as much again.
  void ExpectSmall(const std::string& family) {
    EXPECT_TRUE(Shrinks(family, before_[family] / 5))
        << family << ": " << FileBytes()[family] << " of " << before_[family];
  }

  const TempDir directory_;
  LaterEnv soon_{absl::Hours(24 * 29)}, late_{absl::Hours(24 * 31)};
  std::mt19937_64 random_{1};
  std::unique_ptr<RocksReportWriter> writer_;
  Bytes before_;
};

TEST_F(SpaceTest, ComesBackAfterExpiry) {
  ExpiryCutoffs cutoffs;
  cutoffs.failure = cutoffs.raw = cutoffs.quarantine = cutoffs.rows = StartOfDay(kTestDay + 5);
  cutoffs.totals = kTestDay + 1;
  Expire(cutoffs);
  OpenAgain();  // which writes what is in memory
  for (const char* family : {"default", "index", "reports", "raw"}) ExpectSmall(family);
}

TEST_F(SpaceTest, ComesBackAfterAPurge) {
  PurgeTarget target;
  target.domain = kOldDomain;
  const auto purged =
      writer_->Purge(target, PurgeMode::kRemove, [](const PurgeResult&) { return true; });
  ASSERT_TRUE(purged.ok()) << purged.status();
  OpenAgain();
  for (const char* family : {"default", "index", "reports", "raw"}) ExpectSmall(family);
}

// A receipt whose raw bytes went is written over, which is no deletion.
TEST_F(SpaceTest, OfWhatWasWrittenOverComesBackInTime) {
  ExpiryCutoffs cutoffs;
  cutoffs.raw = StartOfDay(kTestDay + 5);
  Expire(cutoffs);
  const uint64_t limit = before_["default"] * 11 / 10;
  OpenAgain(&soon_);
  EXPECT_FALSE(Shrinks("default", limit, absl::Milliseconds(300)));
  OpenAgain(&late_);
  EXPECT_TRUE(Shrinks("default", limit)) << FileBytes()["default"] << " over " << limit;
}

}  // namespace
}  // namespace dmarcate
