// Retention and purge on RocksDB beside live intake and damaged values, and what they cost.

#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/store/key_codec.h"
#include "lib/store/report_db.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_report_store.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr char kDomain[] = "example.com";
constexpr char kOther[] = "example.net";
const absl::Time kStart = StartOfDay(kTestDay);

bool GoOn(const PurgeResult&) { return true; }

class RetentionFaultsTest : public testing::Test {
 protected:
  RocksReportWriter& writer() {
    if (!writer_) writer_ = *RocksReportWriter::Open(Path());
    return *writer_;
  }
  std::string Path() const { return directory_.path(fmt::format("reports{}", stores_)); }
  void BeginAnew() {
    Close();
    ++stores_;
  }
  void Close() { writer_.reset(); }
  void Spoil(ReportFamily family, const std::string& key) {
    Close();
    SpoilValue(Path(), family, key);
  }
  ReceiptId Receive(std::string raw, absl::Time time = kStart) {
    CommitBatch batch;
    batch.accepted.push_back(Accept(std::move(raw)));
    batch.accepted[0].receipt.received_time = time;
    return writer().Commit(std::move(batch), Sync::kNo)->accepted.at(0);
  }
  ReceiptItem Read(CommitBatch::Processed processed) {
    CommitBatch batch;
    batch.processed.push_back(std::move(processed));
    const auto result = writer().Commit(std::move(batch), Sync::kNo);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() && !result->processed[0].empty() ? result->processed[0][0] : ReceiptItem();
  }
  ReportKey KeyOf(const ReceiptItem& item) {
    return *ReportKey::FromId(item.domain, item.report_name);
  }
  ExpiryResult Expire(const ExpiryCutoffs& cutoffs) {
    ExpiryResult sum;
    for (bool more = true; more;) {
      const auto step = writer().Expire(cutoffs, 100);
      EXPECT_TRUE(step.ok()) << step.status();
      more = step.ok() && step->more;
      if (step.ok()) sum.receipts += step->receipts;
      if (step.ok()) sum.reports += step->reports;
    }
    return sum;
  }
  void ExpectTotalsEqualARecount() {
    const absl::Status verified = writer().VerifyTotals("", [](const DayCheck& check) {
      EXPECT_EQ(check.total, check.recount) << check.domain << " " << check.total.day;
      return true;
    });
    EXPECT_TRUE(verified.ok()) << verified;
  }
  // Keys of the closed database but for the numbers of commits.
  std::vector<std::string> Keys(ReportFamily family) {
    Close();
    auto db = *RocksDb::Open(Path(), ReportFamilies());
    std::vector<std::string> keys;
    EXPECT_TRUE(db->Scan(family, std::string(1, '\0'), kCommitKey, Direction::kForward,
                         [&](std::string_view key, std::string_view) {
                           keys.emplace_back(key);
                           return absl::StatusOr<bool>(true);
                         })
                    .ok());
    return keys;
  }

  TempDir directory_;
  int stores_ = 0;
  std::unique_ptr<RocksReportWriter> writer_;
};

// At whatever moment of a purge mail comes in, it is kept whole; and what was still to be read at
// the start is there whole or has gone whole.
TEST_F(RetentionFaultsTest, MailThatComesDuringAPurgeIsKeptWhole) {
  bool came = true;
  int moments = 0;
  for (int moment = 1; came; ++moment) {
    SCOPED_TRACE(moment);
    BeginAnew();
    came = false;
    const std::string text = std::to_string(moment);
    const auto report = [&](std::string name, uint64_t count) {
      name += text;
      return MakeReport(kDomain, kTestDay, name, name, {count});
    };
    Read(Process(Receive("expired" + text), {report("expired", 2)}));
    Expire({.rows = kStart + absl::Hours(1)});
    const absl::Time late = kStart + absl::Hours(2);
    Read(Process(Receive("before" + text, late), {report("before", 3)}));
    const ReceiptId pending = Receive("pending" + text, late);
    ReceiptId arrived = 0;
    int calls = 0;
    const auto purged =
        writer().Purge({.domain = kDomain}, PurgeMode::kRemove, [&](const PurgeResult&) {
          if (++calls != moment) return true;
          came = true;
          arrived = Receive("arrived" + text, late);
          EXPECT_EQ(Read(Process(arrived, {report("arrived", 4)})).outcome, Outcome::kAccepted);
          EXPECT_EQ(Read(Process(pending, {report("pending", 5)})).outcome, Outcome::kAccepted);
          return true;
        });
    ASSERT_TRUE(purged.ok()) << purged.status();
    ExpectTotalsEqualARecount();
    if (!came) break;
    ++moments;
    EXPECT_TRUE((*writer().FindByRaw(Sha256("arrived" + text))).has_value());
    EXPECT_EQ(*writer().ReadRaw(Sha256("arrived" + text)), "arrived" + text);
    // A copy finds it, and it can be read again.
    EXPECT_EQ(Read(Process(Receive("copy" + text, late), {report("arrived", 4)})).outcome,
              Outcome::kDuplicate);
    EXPECT_EQ(Read(Process(arrived, {report("arrived", 4)})).outcome, Outcome::kAccepted);
    const bool there = writer().GetReceipt(pending).ok();
    EXPECT_EQ((*writer().FindByRaw(Sha256("pending" + text))).has_value(), there);
    EXPECT_EQ(writer().ReadRaw(Sha256("pending" + text)).ok(), there);
    EXPECT_EQ(Read(Process(Receive("other" + text, late), {report("pending", 5)})).outcome,
              there ? Outcome::kDuplicate : Outcome::kAccepted);
    if (there) Read(Process(pending, {report("pending", 5)}));
    ExpectTotalsEqualARecount();
  }
  EXPECT_GE(moments, 6);
}

TEST_F(RetentionFaultsTest, WhatDoesNotDecodeStopsNothing) {
  for (const bool purge : {false, true}) {
    SCOPED_TRACE(purge);
    const std::string text = purge ? "purge" : "expire";
    const StoredReport report = MakeReport(kDomain, kTestDay, "1", "1", {3});
    const StoredTlsReport tls = MakeTlsReport(kDomain, kTestDay, "1", "1", 5, 1);
    StoredFailureReport failure = MakeFailureReport(kDomain, kTestDay, "1");
    failure.received_time = kStart;
    const ReceiptItem first = Read(Process(Receive("1" + text), {report}));
    const ReceiptItem second = Read(ProcessTls(Receive("2" + text), {tls}));
    const ReceiptItem third = Read(ProcessFailure(Receive("3" + text), failure));
    ASSERT_EQ(third.outcome, Outcome::kAccepted);
    Read(Process(Receive("4" + text), {MakeReport(kDomain, kTestDay + 1, "2", "2", {4})}));
    StoredFailureReport other = MakeFailureReport(kDomain, kTestDay, "2");
    other.received_time = kStart;
    Read(ProcessFailure(Receive("5" + text), other));
    Spoil(kReportsFamily, ReportDbKey(KeyOf(first)));
    Spoil(kTlsFamily, ReportDbKey(KeyOf(second)));
    Spoil(kFailuresFamily, ReportDbKey(KeyOf(third)));
    if (purge) {
      const auto result = writer().Purge({.domain = kDomain}, PurgeMode::kRemove, GoOn);
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(result->reports, 5);
    } else {
      const absl::Time all = kStart + absl::Hours(1);
      const ExpiryResult result = Expire({.failure = all, .raw = all, .rows = all});
      EXPECT_EQ(result.receipts, 5);
      EXPECT_EQ(result.reports, 5);
    }
    for (const char* raw : {"1", "2", "3", "4", "5"}) {
      EXPECT_FALSE(writer().ReadRaw(Sha256(raw + text)).ok()) << raw;
    }
    ExpectTotalsEqualARecount();
    for (const ReportFamily family : {kReportsFamily, kTlsFamily, kFailuresFamily}) {
      EXPECT_THAT(Keys(family), IsEmpty()) << family;
    }
    // Copies of what did not decode are new.
    EXPECT_EQ(Read(Process(Receive("1 again"), {report})).outcome, Outcome::kAccepted);
    EXPECT_EQ(Read(ProcessTls(Receive("2 again"), {tls})).outcome, Outcome::kAccepted);
    EXPECT_EQ(Read(ProcessFailure(Receive("3 again"), failure)).outcome, Outcome::kAccepted);
    ExpectTotalsEqualARecount();
    ASSERT_TRUE(writer().Purge({.domain = kDomain}, PurgeMode::kRemove, GoOn).ok());
  }
}

TEST_F(RetentionFaultsTest, AnAddressIsPurgedPastWhatDoesNotDecode) {
  const ReceiptItem first =
      Read(Process(Receive("1"), {MakeReport(kDomain, kTestDay, "1", "1", {3})}));
  Read(Process(Receive("2"), {MakeReport(kDomain, kTestDay, "2", "2", {4})}));
  Spoil(kReportsFamily, ReportDbKey(KeyOf(first)));
  const auto result =
      writer().Purge({.address = *IpAddress::Parse("192.0.2.1")}, PurgeMode::kRemove, GoOn);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->messages, 4u);
}

// What the index knows goes with the totals; nothing is kept by names that strangers choose.
TEST_F(RetentionFaultsTest, NothingIsLeftOfWhatHasExpired) {
  for (int i = 0; i < 30; ++i) {
    const std::string text = std::to_string(i);
    StoredReport report =
        MakeReport(i % 3 == 0 ? kDomain : kOther, kTestDay + i % 4, text, text, {3});
    if (i % 2 == 0) report.trust = TrustClass::kUnverified;
    Read(Process(Receive("raw " + text), {report}));
    StoredTlsReport tls = MakeTlsReport(kDomain, kTestDay, text, text, 5, 1);
    Read(ProcessTls(Receive("tls " + text), {tls}));
  }
  const absl::Time all = kStart + absl::Hours(1);
  Expire({.failure = all, .raw = all, .quarantine = all, .rows = all, .totals = kTestDay + 9});
  EXPECT_THAT(Keys(kIndexFamily), IsEmpty());
  EXPECT_THAT(Keys(kTotalsFamily), IsEmpty());
  EXPECT_THAT(Keys(kReportsFamily), IsEmpty());
  for (const std::string& key : Keys(kMainFamily)) EXPECT_EQ(key[0], 'M') << key;
}

// The kind of which a stranger may send as many as he likes: a step costs what it lets go, not what
// is kept.
TEST_F(RetentionFaultsTest, AStepLooksAtWhatIsDue) {
  constexpr int kDue = 400, kKept = 10'000;
  CommitBatch batch;
  for (int i = 0; i < kDue + kKept; ++i) {
    const absl::Time time = i < kDue ? kStart : kStart + absl::Hours(9);
    batch.accepted.push_back(Accept("raw " + std::to_string(i)));
    batch.accepted.back().receipt.received_time = time;
    StoredFailureReport report = MakeFailureReport(kDomain, kTestDay, std::to_string(i));
    report.received_time = time;
    batch.processed.push_back(ProcessFailure(static_cast<ReceiptId>(i + 1), std::move(report)));
  }
  ASSERT_TRUE(writer().Commit(std::move(batch), Sync::kNo).ok());
  const std::clock_t begin = std::clock();
  int64_t reports = 0;
  for (bool more = true; more;) {
    const auto step = writer().Expire({.failure = kStart + absl::Hours(1)}, 2);
    ASSERT_TRUE(step.ok()) << step.status();
    reports += step->reports;
    more = step->more;
  }
  EXPECT_EQ(reports, kDue);
  // Looking at all of them in each step would be two million.
  EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, 2.0);
}

// A stream has its time, and a large store takes longer: the same purge again goes on.
TEST_F(RetentionFaultsTest, APurgeGoesOnWhereItEnded) {
  constexpr int kMails = 900;
  CommitBatch batch;
  for (int i = 0; i < kMails; ++i) {
    const std::string text = std::to_string(i);
    batch.accepted.push_back(Accept("raw " + text));
    batch.processed.push_back(
        Process(static_cast<ReceiptId>(i + 1),
                {MakeReport(i % 2 == 0 ? kDomain : kOther, kTestDay, text, text, {1})}));
  }
  ASSERT_TRUE(writer().Commit(std::move(batch), Sync::kNo).ok());
  int calls = 0;
  const auto ended = writer().Purge({.domain = kDomain}, PurgeMode::kRemove,
                                    [&](const PurgeResult&) { return ++calls < 2; });
  const auto rest = writer().Purge({.domain = kDomain}, PurgeMode::kRemove, GoOn);
  ASSERT_TRUE(ended.ok() && rest.ok());
  EXPECT_GT(ended->scanned, 0);
  EXPECT_EQ(ended->scanned + rest->scanned, kMails);
  EXPECT_EQ(ended->reports + rest->reports, kMails / 2);
  ExpectTotalsEqualARecount();
  // It is over then: the next one begins anew.
  EXPECT_EQ(writer().Purge({.domain = kDomain}, PurgeMode::kRemove, GoOn)->scanned, kMails / 2);
}

}  // namespace
}  // namespace dmarcate
