// Releasing what trust had quarantined, as report_store.h promises it, on the fake and on RocksDB
// with a follower.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/store/report_rules.h"
#include "lib/store/report_store.h"
#include "tests/lib/store/both_stores.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr char kDomain[] = "example.com";
const absl::Time kReceived = StartOfDay(kTestDay);
const absl::Time kReleased = absl::FromUnixSeconds(1'760'000'000);

class ReleaseTest : public testing::TestWithParam<StoreParam> {
 protected:
  ReportWriter& writer() { return store_->writer(); }
  ReportReader& reader() {
    EXPECT_TRUE(store_->reader().CatchUp().ok());
    return store_->reader();
  }
  CommitResult MustCommit(CommitBatch batch) {
    auto result = writer().Commit(std::move(batch), Sync::kYes);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *std::move(result) : CommitResult();
  }
  ReceiptId MustAccept() {
    CommitBatch batch;
    batch.accepted.push_back(Accept("raw " + std::to_string(++raw_)));
    batch.accepted.back().receipt.received_time = kReceived;
    return MustCommit(std::move(batch)).accepted.at(0);
  }
  std::vector<ReceiptItem> MustProcess(ReceiptId receipt, std::vector<StoredReport> reports) {
    CommitBatch batch;
    batch.processed.push_back(Process(receipt, std::move(reports)));
    for (ProcessedItem& item : batch.processed.back().items) {
      if (item.report->trust != TrustClass::kQuarantined) continue;
      item.item.outcome = Outcome::kQuarantined;
      item.item.reason = TrustReasonName(item.report->reason);
    }
    return MustCommit(std::move(batch)).processed.at(0);
  }
  ReceiptItem MustStore(StoredReport report) {
    return MustProcess(MustAccept(), {std::move(report)}).at(0);
  }
  // Of three messages, from a sender that the report contradicts.
  static StoredReport Doubtful(const std::string& document,
                               TrustReason reason = TrustReason::kIdentityMismatch) {
    StoredReport report = MakeReport(kDomain, kTestDay, "id", document, {1, 2});
    report.trust = TrustClass::kQuarantined;
    report.reason = reason;
    report.reporter_key = "sender.example";
    return report;
  }
  static StoredReport Vouched(const std::string& document, TrustClass trust) {
    StoredReport report = Doubtful(document, TrustReason::kNone);
    report.trust = trust;
    return report;
  }
  static ReportKey KeyOf(const ReceiptItem& item) {
    return *ReportKey::FromId(item.domain, item.report_name);
  }
  static ReleasedReport Ask(const ReportKey& key, std::string why = "our own gateway") {
    return {key, {.by = "local", .time = kReleased, .why = std::move(why)}};
  }
  ReleaseResult MustRelease(const ReportKey& key, std::string why = "our own gateway") {
    CommitBatch batch;
    batch.released.push_back(Ask(key, std::move(why)));
    return MustCommit(std::move(batch)).released.at(0);
  }
  uint64_t Messages() {
    const auto totals = reader().ReadTotals(kDomain, 0, kTestDay + 100);
    EXPECT_TRUE(totals.ok()) << totals.status();
    const absl::Status verified = writer().VerifyTotals("", [](const DayCheck& check) {
      EXPECT_EQ(check.total, check.recount);
      return true;
    });
    EXPECT_TRUE(verified.ok()) << verified;
    uint64_t sum = 0;
    for (const DayTotals& day : *totals) sum += day.messages;
    return sum;
  }
  std::vector<StoredReport> List() {
    return reader().ListReports(kDomain, 0, kTestDay + 100, std::nullopt, 1000)->reports;
  }
  StoredReport Get(const ReportKey& key) {
    const auto report = reader().GetReport(key);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.value_or(StoredReport());
  }
  size_t InQuarantine() { return writer().ListUnreadable(std::nullopt, 100)->rows.size(); }

 private:
  std::unique_ptr<Store> store_ = GetParam().make();
  int raw_ = 0;
};

TEST_P(ReleaseTest, CountsAsImportedAndSaysWhoWhenAndWhy) {
  const ReceiptId receipt = MustAccept();
  const ReportKey key = KeyOf(MustProcess(receipt, {Doubtful("doc")}).at(0));
  EXPECT_EQ(Messages(), 0u);
  EXPECT_EQ(InQuarantine(), 1u);
  const ReleaseResult result = MustRelease(key);
  EXPECT_EQ(result.outcome, ReleaseOutcome::kReleased);
  EXPECT_EQ(result.report.message_count, 3u);
  EXPECT_TRUE(result.report.current);
  const Release want = {"local", kReleased, "our own gateway", TrustReason::kIdentityMismatch};
  for (const StoredReport& report : {result.report, Get(key), List().at(0)}) {
    EXPECT_EQ(report.trust, TrustClass::kImported);
    EXPECT_EQ(report.reason, TrustReason::kReleased);
    EXPECT_EQ(report.release, want);
    EXPECT_EQ(report.reporter_key, "sender.example") << "who sent it is proved by nothing new";
  }
  EXPECT_EQ(Messages(), 3u);
  EXPECT_EQ(InQuarantine(), 0u);
  const auto stored = writer().GetReceipt(receipt);
  EXPECT_EQ(stored->items.at(0).outcome, Outcome::kAccepted);
  EXPECT_EQ(stored->items.at(0).reason, "");
  EXPECT_EQ(stored->receipt.subject, "");
  EXPECT_TRUE(reader().ReadRawOf(receipt).ok());
}

TEST_P(ReleaseTest, AgainChangesNothingAndTellsTheFirst) {
  const ReportKey key = KeyOf(MustStore(Doubtful("doc")));
  MustRelease(key, "first");
  const ReleaseResult again = MustRelease(key, "second");
  EXPECT_EQ(again.outcome, ReleaseOutcome::kAlready);
  EXPECT_EQ(again.report.release->why, "first");
  EXPECT_EQ(Get(key).release->why, "first");
  EXPECT_EQ(Messages(), 3u);
}

TEST_P(ReleaseTest, TwoInOneBatch) {
  const auto items = MustProcess(MustAccept(), {Doubtful("a"), Doubtful("b")});
  CommitBatch batch;
  for (const ReceiptItem& item : items) batch.released.push_back(Ask(KeyOf(item)));
  const auto released = MustCommit(std::move(batch)).released;
  ASSERT_THAT(released, SizeIs(2));
  EXPECT_EQ(released[1].outcome, ReleaseOutcome::kReleased);
  EXPECT_EQ(Messages(), 3u) << "revisions of one identity: the later one counts";
  EXPECT_FALSE(Get(KeyOf(items[0])).current);
  EXPECT_EQ(InQuarantine(), 0u);
}

TEST_P(ReleaseTest, CheckingWritesNothing) {
  const ReportKey key = KeyOf(MustStore(Doubtful("doc")));
  const auto checked = writer().CheckRelease(Ask(key));
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_EQ(checked->outcome, ReleaseOutcome::kReleased);
  EXPECT_EQ(checked->report.trust, TrustClass::kImported);
  EXPECT_TRUE(checked->report.current);
  EXPECT_EQ(Get(key).trust, TrustClass::kQuarantined);
  EXPECT_EQ(Messages(), 0u);
  EXPECT_EQ(InQuarantine(), 1u);
}

TEST_P(ReleaseTest, WhatIsNotInQuarantineIsLeftAlone) {
  const ReportKey anchored = KeyOf(MustStore(Vouched("doc", TrustClass::kAnchored)));
  EXPECT_EQ(MustRelease(anchored).outcome, ReleaseOutcome::kNotThere);
  EXPECT_EQ(Get(anchored).trust, TrustClass::kAnchored);
  StoredReport stranger = MakeReport(kDomain, kTestDay, "other", "stranger", {5});
  stranger.trust = TrustClass::kUnverified;
  const ReportKey unverified = KeyOf(MustStore(stranger));
  EXPECT_EQ(MustRelease(unverified).outcome, ReleaseOutcome::kNotThere);
  EXPECT_EQ(Get(unverified).trust, TrustClass::kUnverified);
  EXPECT_EQ(MustRelease({kDomain, kTestDay, 99, 0}).outcome, ReleaseOutcome::kNotThere);
  ReportKey other = anchored;
  other.item = 7;
  EXPECT_EQ(MustRelease(other).outcome, ReleaseOutcome::kNotThere);
  EXPECT_EQ(Messages(), 3u);
}

// The numbers would drown all others of the day; also where no reason was stored with the report.
TEST_P(ReleaseTest, ImpossibleNumbersStayInQuarantine) {
  for (const TrustReason stored : {TrustReason::kImpossibleCount, TrustReason::kNone}) {
    const ReceiptId receipt = MustAccept();
    CommitBatch batch;
    StoredReport report = Doubtful(std::to_string(static_cast<int>(stored)), stored);
    batch.processed.push_back(Process(receipt, {report}));
    batch.processed[0].items[0].item.outcome = Outcome::kQuarantined;
    batch.processed[0].items[0].item.reason = "impossible_count";
    const ReportKey key = KeyOf(MustCommit(std::move(batch)).processed.at(0).at(0));
    EXPECT_EQ(MustRelease(key).outcome, ReleaseOutcome::kImpossible);
    EXPECT_EQ(writer().CheckRelease(Ask(key))->outcome, ReleaseOutcome::kImpossible);
    EXPECT_EQ(Get(key).trust, TrustClass::kQuarantined);
  }
  EXPECT_EQ(Messages(), 0u);
  EXPECT_EQ(InQuarantine(), 2u);
}

// ---- with replay ----

TEST_P(ReleaseTest, ReadingAgainKeepsTheRelease) {
  const ReceiptId receipt = MustAccept();
  const ReportKey key = KeyOf(MustProcess(receipt, {Doubtful("doc")}).at(0));
  MustRelease(key);
  for (int i = 0; i < 2; ++i) {
    const ReceiptItem item = MustProcess(receipt, {Doubtful("doc")}).at(0);
    EXPECT_EQ(item.outcome, Outcome::kAccepted);
    EXPECT_EQ(item.reason, "");
    EXPECT_EQ(Get(key).trust, TrustClass::kImported);
    EXPECT_EQ(Get(key).reason, TrustReason::kReleased);
    EXPECT_EQ(Get(key).release->why, "our own gateway");
    EXPECT_EQ(Messages(), 3u);
    EXPECT_EQ(InQuarantine(), 0u);
  }
  // Judged better, as after a new exception in the list of anchors: who released it is still told.
  MustProcess(receipt, {Vouched("doc", TrustClass::kAuthenticated)});
  EXPECT_EQ(Get(key).trust, TrustClass::kAuthenticated);
  EXPECT_EQ(Get(key).reason, TrustReason::kNone);
  EXPECT_EQ(Get(key).release->by, "local");
  EXPECT_EQ(Messages(), 3u);
  // It is read as another document now: the release was of the one before.
  MustProcess(receipt, {Doubtful("other")});
  EXPECT_EQ(Get(key).trust, TrustClass::kQuarantined);
  EXPECT_EQ(Get(key).release, std::nullopt);
  EXPECT_EQ(Messages(), 0u);
}

TEST_P(ReleaseTest, AReplayBeforeIsNoObstacle) {
  const ReceiptId receipt = MustAccept();
  MustProcess(receipt, {Doubtful("doc")});
  const ReportKey key = KeyOf(MustProcess(receipt, {Doubtful("doc")}).at(0));
  EXPECT_EQ(MustRelease(key).outcome, ReleaseOutcome::kReleased);
  EXPECT_EQ(Messages(), 3u);
  // One that made it no report leaves nothing to be released.
  const ReceiptId gone = MustAccept();
  const ReportKey other = KeyOf(MustProcess(gone, {Doubtful("doc 2")}).at(0));
  CommitBatch batch;
  batch.processed.push_back(ProcessUnreadable(gone, Outcome::kQuarantined, "xml_broken"));
  MustCommit(std::move(batch));
  EXPECT_EQ(MustRelease(other).outcome, ReleaseOutcome::kNotThere);
  EXPECT_EQ(InQuarantine(), 1u);
}

TEST_P(ReleaseTest, AcceptedReadAndReleasedInOneBatch) {
  CommitBatch batch;
  batch.accepted.push_back(Accept("raw"));
  batch.processed.push_back(Process(1, {Doubtful("doc")}));
  batch.processed[0].items[0].item.outcome = Outcome::kQuarantined;
  batch.released.push_back(Ask({kDomain, kTestDay, 1, 0}));
  EXPECT_EQ(MustCommit(std::move(batch)).released.at(0).outcome, ReleaseOutcome::kReleased);
  EXPECT_EQ(Messages(), 3u);
  EXPECT_EQ(InQuarantine(), 0u);
}

// ---- with duplicates and revisions ----

TEST_P(ReleaseTest, ACopyThatComesLaterAddsNothing) {
  const ReportKey key = KeyOf(MustStore(Doubtful("doc")));
  MustRelease(key);
  EXPECT_EQ(MustStore(Doubtful("doc")).outcome, Outcome::kDuplicate);
  EXPECT_EQ(MustStore(Vouched("doc", TrustClass::kImported)).outcome, Outcome::kDuplicate);
  EXPECT_EQ(Get(key).reason, TrustReason::kReleased);
  EXPECT_EQ(Messages(), 3u);
  // A genuine one lends it more, and takes away nothing of what is told.
  StoredReport genuine = Vouched("doc", TrustClass::kAnchored);
  genuine.reporter_key = "google.com";
  EXPECT_EQ(MustStore(genuine).outcome, Outcome::kDuplicate);
  EXPECT_EQ(Get(key).trust, TrustClass::kAnchored);
  EXPECT_EQ(Get(key).reason, TrustReason::kNone);
  EXPECT_EQ(Get(key).reporter_key, "google.com");
  EXPECT_EQ(Get(key).release->quarantined_for, TrustReason::kIdentityMismatch);
  EXPECT_EQ(MustRelease(key).outcome, ReleaseOutcome::kAlready);
  EXPECT_EQ(Messages(), 3u);
  EXPECT_THAT(List(), SizeIs(1));
}

TEST_P(ReleaseTest, ACopyThatCameBeforeHasSettledIt) {
  const ReportKey key = KeyOf(MustStore(Doubtful("doc")));
  MustStore(Vouched("doc", TrustClass::kAuthenticated));
  EXPECT_EQ(MustRelease(key).outcome, ReleaseOutcome::kNotThere);
  EXPECT_EQ(Get(key).trust, TrustClass::kAuthenticated);
  EXPECT_EQ(Get(key).release, std::nullopt);
}

TEST_P(ReleaseTest, DoesNotCountInsteadOfAMoreTrustedRevision) {
  MustStore(Vouched("genuine", TrustClass::kAuthenticated));
  StoredReport larger = Doubtful("doc");
  larger.report.records.resize(5, larger.report.records[0]);
  const ReportKey key = KeyOf(MustStore(larger));
  const ReleaseResult result = MustRelease(key);
  EXPECT_EQ(result.outcome, ReleaseOutcome::kReleased);
  EXPECT_FALSE(result.report.current);
  EXPECT_EQ(Messages(), 3u);
  EXPECT_EQ(InQuarantine(), 0u);
  EXPECT_THAT(List(), SizeIs(2));
}

TEST_P(ReleaseTest, RevisionsOfOneTrustHaveALimit) {
  const ReportKey key = KeyOf(MustStore(Doubtful("doc")));
  for (size_t i = 0; i < kMaxRevisions; ++i) {
    MustStore(Vouched("doc " + std::to_string(i), TrustClass::kImported));
  }
  EXPECT_EQ(MustRelease(key).outcome, ReleaseOutcome::kNoRoom);
  EXPECT_EQ(Get(key).trust, TrustClass::kQuarantined);
  EXPECT_EQ(InQuarantine(), 1u);
}

// What else is in the mail stays as it is.
TEST_P(ReleaseTest, OthersOfTheSameMailStayInQuarantine) {
  const ReceiptId receipt = MustAccept();
  StoredReport second = Doubtful("second");
  second.report.metadata.report_id = "id 2";
  const auto items = MustProcess(receipt, {Doubtful("first"), second});
  MustRelease(KeyOf(items[0]));
  EXPECT_EQ(Messages(), 3u);
  const auto page = writer().ListUnreadable(std::nullopt, 10);
  ASSERT_THAT(page->rows, SizeIs(1));
  EXPECT_EQ(page->rows[0].ordinal, 1u);
  // Dropping it takes nothing from the one that was released.
  CommitBatch batch;
  batch.dropped = {receipt};
  EXPECT_TRUE(MustCommit(std::move(batch)).dropped.at(0).dropped);
  EXPECT_EQ(Messages(), 3u);
  EXPECT_THAT(List(), SizeIs(1));
  EXPECT_EQ(MustRelease(KeyOf(items[1])).outcome, ReleaseOutcome::kNotThere);
}

// ---- with dropping, purging and expiry ----

TEST_P(ReleaseTest, WhatWasDroppedIsGone) {
  const ReceiptId receipt = MustAccept();
  const ReportKey key = KeyOf(MustProcess(receipt, {Doubtful("doc")}).at(0));
  CommitBatch batch;
  batch.dropped = {receipt};
  batch.released.push_back(Ask(key));
  EXPECT_EQ(MustCommit(std::move(batch)).released.at(0).outcome, ReleaseOutcome::kNotThere);
  EXPECT_EQ(Messages(), 0u);
  // The other way round there is nothing to drop.
  const ReceiptId second = MustAccept();
  MustRelease(KeyOf(MustProcess(second, {Doubtful("doc")}).at(0)));
  batch = CommitBatch();
  batch.dropped = {second};
  EXPECT_FALSE(MustCommit(std::move(batch)).dropped.at(0).dropped);
  EXPECT_EQ(Messages(), 3u);
}

TEST_P(ReleaseTest, PurgedBeforeOrAfterNothingStays) {
  const auto go_on = [](const PurgeResult&) { return true; };
  const ReportKey first = KeyOf(MustStore(Doubtful("doc")));
  ASSERT_TRUE(writer().Purge({.domain = kDomain}, PurgeMode::kRemove, go_on).ok());
  EXPECT_EQ(MustRelease(first).outcome, ReleaseOutcome::kNotThere);
  const ReportKey second = KeyOf(MustStore(Doubtful("doc 2")));
  MustRelease(second);
  EXPECT_EQ(Messages(), 3u);
  ASSERT_TRUE(writer().Purge({.domain = kDomain}, PurgeMode::kRemove, go_on).ok());
  EXPECT_EQ(Messages(), 0u);
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_EQ(MustRelease(second).outcome, ReleaseOutcome::kNotThere);
}

TEST_P(ReleaseTest, APurgeOfAnAddressKeepsTheRelease) {
  const ReportKey key = KeyOf(MustStore(Doubtful("doc")));
  MustRelease(key);
  const auto address = Get(key).report.records.at(0).source_ip;
  ASSERT_TRUE(address.has_value());
  const auto go_on = [](const PurgeResult&) { return true; };
  ASSERT_TRUE(writer().Purge({.address = address}, PurgeMode::kRemove, go_on).ok());
  EXPECT_EQ(Get(key).release->by, "local");
  EXPECT_EQ(Get(key).trust, TrustClass::kImported);
  EXPECT_EQ(Messages(), Get(key).message_count);
}

// In its own time the quarantine lets it go; released, it has the time of the rows, and its bytes
// that of the bytes.
TEST_P(ReleaseTest, ExpiryFindsItBeforeOrAfter) {
  const ReceiptId receipt = MustAccept();
  const ReportKey key = KeyOf(MustProcess(receipt, {Doubtful("doc")}).at(0));
  const absl::Time later = kReceived + absl::Hours(24 * 100);
  ASSERT_TRUE(writer().Expire({.raw = later}, 100).ok());
  EXPECT_TRUE(reader().ReadRawOf(receipt).ok()) << "kept for the quarantine";
  EXPECT_EQ(MustRelease(key).outcome, ReleaseOutcome::kReleased);
  ASSERT_TRUE(writer().Expire({.raw = later, .quarantine = later}, 100).ok());
  EXPECT_EQ(reader().ReadRawOf(receipt).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Messages(), 3u);
  // Its rows go, its totals stay, and no copy is counted again.
  ASSERT_TRUE(writer().Expire({.raw = later, .quarantine = later, .rows = later}, 100).ok());
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_EQ(Messages(), 3u);
  EXPECT_EQ(MustRelease(key).outcome, ReleaseOutcome::kNotThere);
  EXPECT_EQ(MustStore(Vouched("doc", TrustClass::kAnchored)).outcome, Outcome::kDuplicate);
  EXPECT_EQ(Messages(), 3u);
  // What has expired in quarantine is gone, and has counted nowhere.
  StoredReport other = Doubtful("other");
  other.report.metadata.report_id = "id 2";
  const ReportKey second = KeyOf(MustStore(other));
  ASSERT_TRUE(writer().Expire({.quarantine = later}, 100).ok());
  EXPECT_EQ(MustRelease(second).outcome, ReleaseOutcome::kNotThere);
  EXPECT_EQ(Messages(), 3u);
}

// A revision of its identity has counted, and its rows expire: it goes with them, and the totals
// have their count once.
TEST_P(ReleaseTest, WhatHasCountedAndExpiredLeavesNothingToRelease) {
  MustStore(Vouched("genuine", TrustClass::kAuthenticated));
  const ReportKey key = KeyOf(MustStore(Doubtful("doc")));
  ASSERT_TRUE(writer().Expire({.rows = kReceived + absl::Hours(24)}, 100).ok());
  EXPECT_EQ(MustRelease(key).outcome, ReleaseOutcome::kNotThere);
  EXPECT_EQ(MustStore(Doubtful("doc 2")).outcome, Outcome::kDuplicate);
  EXPECT_EQ(Messages(), 3u);
}

INSTANTIATE_TEST_SUITE_P(All, ReleaseTest, testing::ValuesIn(kBothStores),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace dmarcate
