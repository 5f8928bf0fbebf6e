// A store of an older layout is brought to the present one: all of it, killed at any moment, and
// what it holds afterwards goes on as if it had been there always.

#include "lib/store/report_upgrade.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/store/key_codec.h"
#include "lib/store/report_db.h"
#include "lib/store/rocks_report_store.h"
#include "lib/store/value_codec.h"
#include "tests/lib/store/fault_env.h"
#include "tests/lib/store/layout2_store.h"

namespace dmarcate {
namespace {

using store_testing::FaultEnv;
using testing::Optional;
using testing::SizeIs;

constexpr size_t kStepKeys = 3;

// Family and key -> value. Receipts as the present program writes them, whichever wrote them. Of
// the revisions of days that there are any: after an upgrade all days have changed.
using Content = std::map<std::pair<int, std::string>, std::string>;

Content ReadAll(const RocksDb& db) {
  Content all;
  for (int family = 0; family < static_cast<int>(ReportFamilies().size()); ++family) {
    const auto take = [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
      std::string& text = all[{family, ToHex(key)}];
      text = ToHex(value);
      if (family == kMainFamily && ParseReceiptDbKey(kReceiptTag, key)) {
        const auto receipt = DecodeReceipt(key, value);
        text = receipt.ok() ? ToHex(EncodeReceipt(key, *receipt)) : receipt.status().ToString();
      }
      if (family == kMainFamily && key.starts_with(DayRevisionPrefix(""))) {
        text = DecodeNumber(key, value).status().ToString();
      }
      return true;
    };
    EXPECT_TRUE(db.Scan(family, std::string(1, '\0'), "\xff\xff", Direction::kForward, take).ok());
  }
  return all;
}

Content ReadAll(const std::string& path) {
  return ReadAll(**RocksDb::Open(path, ReportFamilies()));
}

class ReportUpgrade : public testing::TestWithParam<uint64_t> {
 protected:
  ReportUpgrade() {
    auto db = *RocksDb::Open(Old(), ReportFamilies());
    WriteSet all(ReportFamilies().size());
    for (const StoredValue& stored : kLayout2Store) {
      std::string key = FromHex(stored.key);
      const bool moved = stored.family == kMainFamily && (key[0] == 'H' || key[0] == 'C');
      const int family = moved && GetParam() >= 3 ? kIndexFamily : stored.family;
      all.Put(family, std::move(key), FromHex(stored.value));
    }
    // Layout 1, once it had all families, is 2 under another number.
    all.Put(kMainFamily, std::string(kFormatKey), EncodeNumber(kFormatKey, GetParam()));
    EXPECT_TRUE(db->Write(all, Sync::kYes).ok());
  }
  std::string Old() const { return directory_.path("old"); }
  std::string New() const { return directory_.path("new"); }
  // What the present program makes of the same.
  Content Want() const {
    auto writer = *RocksReportWriter::Open(New());
    EXPECT_TRUE(FillStore(*writer).ok());
    writer.reset();
    return ReadAll(New());
  }

  const TempDir directory_;
};

INSTANTIATE_TEST_SUITE_P(From, ReportUpgrade, testing::Values(1, 2, 3));
using ReportUpgradeEnded = ReportUpgrade;
INSTANTIATE_TEST_SUITE_P(From, ReportUpgradeEnded, testing::Values(2, 3));
using ReportUpgradeMoving = ReportUpgrade;
INSTANTIATE_TEST_SUITE_P(From, ReportUpgradeMoving, testing::Values(1, 2));

TEST_P(ReportUpgrade, IsAsIfWrittenByThisProgram) {
  const auto early =
      RocksReportReader::Follow(Old(), directory_.path("follower"), absl::ZeroDuration());
  EXPECT_EQ(early.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_NE(early.status().message().find(fmt::format("layout {}", GetParam())),
            absl::string_view::npos);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(RocksReportWriter::Open(Old()).ok());
  }
  EXPECT_EQ(ReadAll(Old()), Want());

  auto writer = *RocksReportWriter::Open(Old());
  EXPECT_EQ((*writer->GetReceipt(2)).items.at(0).file_name,
            "google.com!example.com!1727913600!1727999999.xml.gz");
  const Receipt smtp = writer->GetReceipt(3)->receipt;
  EXPECT_EQ(smtp.envelope->recipients, std::vector<std::string>{"d@test"});
  EXPECT_THAT(*writer->FindByRaw(Sha256("third")), Optional(SizeIs(2)));
  auto reader = *RocksReportReader::Follow(Old(), directory_.path("follower"), absl::Seconds(20));
  EXPECT_EQ(*reader->ReadRaw(Sha256("third")), "third");
  EXPECT_EQ(reader->ReadRaw(Sha256("second")).status().code(), absl::StatusCode::kNotFound);
}

// The keys that were moved are used: copies, bytes that come again, retention and purge.
TEST_P(ReportUpgrade, GoesOnAsIfWrittenByThisProgram) {
  ASSERT_FALSE(Want().empty());  // and New() is filled
  for (const std::string& path : {Old(), New()}) {
    auto writer = *RocksReportWriter::Open(path);
    for (const char* raw : {"second", "third", "eighth"}) {
      ASSERT_TRUE(
          AcceptAndProcess(*writer, raw, {MakeReport("example.com", kTestDay, raw, raw, {6})})
              .ok());
    }
    ExpiryCutoffs cutoffs;
    cutoffs.rows = cutoffs.raw = cutoffs.quarantine = StartOfDay(kTestDay + 9);
    const auto expired = writer->Expire(cutoffs, 100);
    ASSERT_TRUE(expired.ok()) << expired.status();
    EXPECT_EQ(expired->receipts, 2);  // 2 and 3; 4 has the bytes of 3 now
    EXPECT_EQ(*writer->ReadRaw(Sha256("third")), "third");
    PurgeTarget target;
    target.address = IpAddress::FromV4(0xc0000201);
    const auto purged =
        writer->Purge(target, PurgeMode::kRemove, [](const PurgeResult&) { return true; });
    ASSERT_TRUE(purged.ok()) << purged.status();
    EXPECT_FALSE(writer->ReadRaw(Sha256("fifth")).ok());
  }
  EXPECT_EQ(ReadAll(Old()), ReadAll(New()));
}

TEST_P(ReportUpgradeEnded, AtAnyMomentLeavesEitherLayout) {
  const Content want = Want();
  const std::string path = directory_.path("copy");
  bool hit = true;
  int old_ones = 0, new_ones = 0;
  for (int64_t call = 1; hit; ++call) {
    SCOPED_TRACE(fmt::format("call {}", call));
    ASSERT_LT(call, 500);
    std::filesystem::remove_all(path);
    std::filesystem::copy(Old(), path);
    FaultEnv env;
    {
      auto db = *RocksDb::Open(path, ReportFamilies(), &env);
      env.FailCall(env.calls() + call, FaultEnv::Fault::kForever);
      const absl::Status status = UpgradeReports(GetParam(), db.get(), kStepKeys);
      hit = env.hit();
      EXPECT_EQ(status.ok(), !hit) << status;
      if (call % 2 == 0) env.LosePower();
    }
    const auto db = *RocksDb::Open(path, ReportFamilies());
    const uint64_t layout = **ReadNumber(*db, kMainFamily, kFormatKey);
    if (layout == GetParam()) {
      ++old_ones;
    } else {
      ASSERT_EQ(layout, kReportLayout);
      ++new_ones;
    }
    const absl::Status again = UpgradeReports(layout, db.get(), kStepKeys);
    ASSERT_TRUE(again.ok()) << again;
    EXPECT_EQ(ReadAll(*db), want);
  }
  // From layout 3 there is less to write: the days alone.
  const int least = GetParam() < 3 ? 6 : 3;
  EXPECT_GE(old_ones, least);
  EXPECT_GE(new_ones, least);
}

// Between an upgrade that was ended and the next one, the older program deleted a key.
TEST_P(ReportUpgradeMoving, DoesNotKeepWhatAnEarlierAttemptCopied) {
  const Content want = Want();
  {
    auto db = *RocksDb::Open(Old(), ReportFamilies());
    WriteSet copied(ReportFamilies().size());
    const std::string key = RawHashKey(Sha256("deleted since"));
    copied.Put(kIndexFamily, key, EncodeNumber(key, 5));
    const std::string copy = RawCopyKey(Sha256("third"), 5);
    copied.Put(kIndexFamily, copy, "");
    ASSERT_TRUE(db->Write(copied, Sync::kYes).ok());
  }
  ASSERT_TRUE(RocksReportWriter::Open(Old()).ok());
  EXPECT_EQ(ReadAll(Old()), want);
}

}  // namespace
}  // namespace dmarcate
