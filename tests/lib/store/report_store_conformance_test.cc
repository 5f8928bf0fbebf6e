// What every report store promises (report_store.h), run on the fake and on RocksDB with a
// follower.

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/store/day_revisions.h"
#include "lib/store/report_rules.h"
#include "lib/store/report_store.h"
#include "lib/store/rocks_report_store.h"
#include "tests/lib/store/both_stores.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

constexpr char kDomain[] = "example.com";

class ReportStoreTest : public testing::TestWithParam<StoreParam> {
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
  ReceiptId MustAccept(std::string raw) {
    CommitBatch batch;
    batch.accepted.push_back(Accept(std::move(raw)));
    return last_ = MustCommit(std::move(batch)).accepted.at(0);
  }
  // The items that came of it.
  std::vector<ReceiptItem> MustProcess(ReceiptId receipt, std::vector<StoredReport> reports) {
    CommitBatch batch;
    batch.processed.push_back(Process(receipt, std::move(reports)));
    if (receipt % 2 == 0) store_->writer().Prepare(&batch.processed[0]);  // or not: all the same
    return MustCommit(std::move(batch)).processed.at(0);
  }
  ReceiptItem MustStore(StoredReport report) {
    return MustProcess(MustAccept("raw " + std::to_string(++raw_)), {std::move(report)}).at(0);
  }
  // The receipt gives one report, named as its document, which trust quarantines.
  ReceiptItem Quarantine(ReceiptId receipt, const std::string& document) {
    StoredReport report = MakeReport(kDomain, kTestDay, document, document, {3});
    report.trust = TrustClass::kQuarantined;
    report.reason = TrustReason::kIdentityMismatch;
    report.reporter_key = "evil.example";
    CommitBatch batch;
    batch.processed.push_back(Process(receipt, {report}));
    batch.processed[0].items[0].item.outcome = Outcome::kQuarantined;
    batch.processed[0].items[0].item.reason = "identity_mismatch";
    return MustCommit(std::move(batch)).processed.at(0).at(0);
  }
  std::vector<DayTotals> Totals(DayNumber first = 0, DayNumber last = kTestDay + 100) {
    auto totals = reader().ReadTotals(kDomain, first, last);
    EXPECT_TRUE(totals.ok()) << totals.status();
    EXPECT_EQ(*totals, *RecountTotals(reader(), kDomain, first, last));
    return *totals;
  }
  // Takes out what the receipts so far gave.
  void DropAll() {
    CommitBatch batch;
    while (dropped_ < last_) batch.processed.push_back(Process(++dropped_, {}));
    MustCommit(std::move(batch));
    EXPECT_THAT(List(), testing::IsEmpty());
    EXPECT_THAT(Totals(), testing::IsEmpty());
  }
  uint64_t Messages() {
    uint64_t sum = 0;
    for (const DayTotals& day : Totals()) sum += day.messages;
    return sum;
  }
  std::vector<StoredReport> List() {
    auto page = reader().ListReports(kDomain, 0, kTestDay + 100, std::nullopt, 1000);
    EXPECT_TRUE(page.ok()) << page.status();
    return page->reports;
  }

 private:
  std::unique_ptr<Store> store_ = GetParam().make();
  int raw_ = 0;
  ReceiptId last_ = 0;     // the last one given
  ReceiptId dropped_ = 0;  // those up to it gave nothing any more
};

TEST_P(ReportStoreTest, AcceptedIsPendingUntilProcessed) {
  CommitBatch batch;
  batch.accepted.push_back(Accept("one"));
  batch.accepted.push_back(Accept("two"));
  const CommitResult result = MustCommit(std::move(batch));
  EXPECT_THAT(result.accepted, ElementsAre(1, 2));
  EXPECT_THAT(result.raw_known, ElementsAre(false, false));
  auto pending = writer().Pending(10);
  ASSERT_TRUE(pending.ok());
  ASSERT_THAT(*pending, SizeIs(2));
  EXPECT_EQ((*pending)[0].id, 1u);
  EXPECT_EQ((*pending)[0].raw_sha256, Sha256("one"));
  EXPECT_EQ((*pending)[0].size_bytes, 3);
  EXPECT_EQ((*pending)[0].channel, Channel::kMaildir);
  EXPECT_EQ((*pending)[0].file_name, "report.xml.gz");
  EXPECT_EQ((*pending)[0].received_time, StartOfDay(kTestDay + 1));
  EXPECT_FALSE((*pending)[0].processed);
  EXPECT_THAT(*writer().Pending(1), SizeIs(1));
  EXPECT_EQ(*writer().FindByRaw(Sha256("one")), std::nullopt);

  MustProcess(1, {MakeReport(kDomain, kTestDay, "id", "doc", {3})});
  ASSERT_THAT(*writer().Pending(10), SizeIs(1));
  EXPECT_EQ((*writer().Pending(10))[0].id, 2u);
  const auto items = *writer().FindByRaw(Sha256("one"));
  ASSERT_TRUE(items.has_value());
  ASSERT_THAT(*items, SizeIs(1));
  EXPECT_EQ((*items)[0].outcome, Outcome::kAccepted);
  EXPECT_EQ((*items)[0].kind, "aggregate");
  EXPECT_EQ((*items)[0].domain, kDomain);
  EXPECT_EQ((*items)[0].report_name, "20241004-0000000000000001-0");
  EXPECT_EQ(*writer().FindByRaw(Sha256("three")), std::nullopt);
}

TEST_P(ReportStoreTest, RawBytesAreKeptOnce) {
  std::string raw(100'000, 'x');
  raw += std::string("\0\xff", 2);
  EXPECT_EQ(MustAccept(raw), 1u);
  CommitBatch batch;
  batch.accepted.push_back(Accept(raw));
  batch.accepted.push_back(Accept("other"));
  batch.accepted.push_back(Accept("other"));
  EXPECT_THAT(MustCommit(std::move(batch)).raw_known, ElementsAre(true, false, true));
  EXPECT_EQ(*writer().ReadRaw(Sha256(raw)), raw);
  EXPECT_EQ(*reader().ReadRaw(Sha256("other")), "other");
  EXPECT_EQ(writer().ReadRaw(Sha256("unknown")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(reader().ReadRaw(Sha256("unknown")).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(ReportStoreTest, RawThatDoesNotMatchItsHashIsDataLoss) {
  CommitBatch batch;
  batch.accepted.push_back(Accept("good"));
  batch.accepted[0].raw = "bad";
  MustCommit(std::move(batch));
  EXPECT_EQ(writer().ReadRaw(Sha256("good")).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(reader().ReadRaw(Sha256("good")).status().code(), absl::StatusCode::kDataLoss);
}

TEST_P(ReportStoreTest, ComputesTheHashThatIsNotGiven) {
  CommitBatch batch;
  batch.accepted.push_back(Accept("text"));
  batch.accepted[0].receipt.raw_sha256.clear();
  MustCommit(std::move(batch));
  EXPECT_EQ(*writer().ReadRaw(Sha256("text")), "text");
}

TEST_P(ReportStoreTest, ReceiptIdsOnlyGrow) {
  CommitBatch batch;
  batch.accepted.push_back(Accept("one"));
  batch.accepted[0].receipt.id = 41;
  EXPECT_THAT(MustCommit(batch).accepted, ElementsAre(41));
  EXPECT_EQ(MustAccept("two"), 42u);
  EXPECT_EQ(writer().Commit(batch, Sync::kYes).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MustAccept("three"), 43u);
}

TEST_P(ReportStoreTest, GivesBackAllOfAReport) {
  StoredReport report = MakeReport(kDomain, kTestDay, "id", "doc", {3, 4});
  report.outcome = Outcome::kAcceptedMaterial;
  report.repairs = {{"date_scaled", "report_metadata", "1", "2", true}};
  report.report.extensions = {"x"};
  const ReceiptItem item = MustStore(report);
  const auto key = ReportKey::FromId(item.domain, item.report_name);
  ASSERT_TRUE(key.has_value());
  const auto got = reader().GetReport(*key);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->key, *key);
  EXPECT_EQ(got->report, report.report);
  EXPECT_EQ(got->repairs, report.repairs);
  EXPECT_EQ(got->outcome, report.outcome);
  EXPECT_EQ(got->trust, TrustClass::kImported);
  EXPECT_EQ(got->reporter_key, "google.com");
  EXPECT_EQ(got->document_sha256, Sha256("doc"));
  EXPECT_EQ(*reader().ReadRawOf(key->receipt), "raw 1");
  EXPECT_EQ(got->received_time, report.received_time);
  EXPECT_EQ(got->channel, Channel::kMaildir);
  EXPECT_TRUE(got->current);
  EXPECT_EQ(got->record_count, 2);
  EXPECT_EQ(got->message_count, 7u);
  EXPECT_EQ(got->repair_count, 1);
  ReportKey other = *key;
  other.item = 7;
  EXPECT_EQ(reader().GetReport(other).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(ReportStoreTest, SameDocumentIsADuplicate) {
  const ReceiptItem first = MustStore(MakeReport(kDomain, kTestDay, "id", "doc", {3}));
  const ReceiptItem second = MustStore(MakeReport(kDomain, kTestDay, "id", "doc", {3}));
  EXPECT_EQ(second.outcome, Outcome::kDuplicate);
  EXPECT_EQ(second.report_name, first.report_name);
  EXPECT_EQ(Messages(), 3u);
  EXPECT_THAT(List(), SizeIs(1));
}

TEST_P(ReportStoreTest, SameDocumentInOneReceiptAndInOneBatch) {
  const StoredReport report = MakeReport(kDomain, kTestDay, "id", "doc", {3});
  const ReceiptId a = MustAccept("a"), b = MustAccept("b");
  CommitBatch batch;
  batch.processed.push_back(Process(a, {report, report}));
  batch.processed.push_back(Process(b, {report}));
  const auto items = MustCommit(std::move(batch)).processed;
  ASSERT_THAT(items, SizeIs(2));
  EXPECT_EQ(items[0][0].outcome, Outcome::kAccepted);
  EXPECT_EQ(items[0][1].outcome, Outcome::kDuplicate);
  EXPECT_EQ(items[1][0].outcome, Outcome::kDuplicate);
  EXPECT_EQ(items[1][0].report_name, items[0][0].report_name);
  EXPECT_EQ(Messages(), 3u);
}

TEST_P(ReportStoreTest, AcceptedAndProcessedInOneBatch) {
  CommitBatch batch;
  batch.accepted.push_back(Accept("a"));
  batch.accepted[0].receipt.id = 5;
  batch.processed.push_back(Process(5, {MakeReport(kDomain, kTestDay, "id", "doc", {3})}));
  MustCommit(std::move(batch));
  EXPECT_THAT(*writer().Pending(10), IsEmpty());
  EXPECT_EQ(Messages(), 3u);
}

TEST_P(ReportStoreTest, CopyWithMoreTrustLendsItToTheStoredReport) {
  StoredReport report = MakeReport(kDomain, kTestDay, "id", "doc", {3});
  report.trust = TrustClass::kUnverified;
  report.reason = TrustReason::kNotSigned;
  report.reporter_key = "evil.example";
  MustStore(report);
  EXPECT_EQ(List().at(0).reason, TrustReason::kNotSigned);
  // The reason goes with the class: another one, or none.
  report.trust = TrustClass::kImported;
  report.reason = TrustReason::kHistory;
  MustStore(report);
  EXPECT_EQ(List().at(0).reason, TrustReason::kHistory);
  report.trust = TrustClass::kAnchored;
  report.reason = TrustReason::kNone;
  report.reporter_key = "google.com";
  EXPECT_EQ(MustStore(report).outcome, Outcome::kDuplicate);
  report.trust = TrustClass::kUnverified;
  report.reason = TrustReason::kNotSigned;
  report.reporter_key = "evil.example";
  EXPECT_EQ(MustStore(report).outcome, Outcome::kDuplicate);
  ASSERT_THAT(List(), SizeIs(1));
  EXPECT_EQ(List()[0].trust, TrustClass::kAnchored);
  EXPECT_EQ(List()[0].reason, TrustReason::kNone);
  EXPECT_EQ(List()[0].reporter_key, "google.com");
  EXPECT_EQ(Messages(), 3u);
  // It is known under its new identity: a revision of it finds it.
  StoredReport revision = MakeReport(kDomain, kTestDay, "id", "doc 2", {50, 50});
  revision.trust = TrustClass::kUnverified;
  MustStore(revision);
  EXPECT_EQ(Messages(), 3u);
}

TEST_P(ReportStoreTest, BytesThatCameAgainAreKnownByWhatRaisedTheirTrust) {
  StoredReport report = MakeReport(kDomain, kTestDay, "id", "doc", {3});
  for (const TrustClass trust : {TrustClass::kUnverified, TrustClass::kImported}) {
    report.trust = trust;
    MustProcess(MustAccept("raw"), {report});
  }
  report.trust = TrustClass::kUnverified;
  MustProcess(MustAccept("raw"), {report});
  MustAccept("raw");  // not read yet
  const auto known = *writer().FindByRaw(Sha256("raw"));
  ASSERT_TRUE(known.has_value());
  ASSERT_THAT(*known, SizeIs(1));
  EXPECT_EQ((*known)[0].outcome, Outcome::kDuplicate);
  EXPECT_EQ((*known)[0].reason, "trust_raised");
  EXPECT_EQ(*writer().ReadRaw(Sha256("raw")), "raw");
}

TEST_P(ReportStoreTest, ThatTrustWasRaisedIsSaidOfWhatCountsThenAndDidNotBefore) {
  const auto reason_of_copy = [&](StoredReport report, TrustClass trust) {
    report.trust = trust;
    const ReceiptItem item = MustStore(std::move(report));
    EXPECT_EQ(item.outcome, Outcome::kDuplicate);
    return item.reason;
  };
  StoredReport report = MakeReport(kDomain, kTestDay, "id", "doc", {3});
  report.trust = TrustClass::kUnverified;
  MustStore(report);
  EXPECT_EQ(reason_of_copy(report, TrustClass::kUnverified), "");
  EXPECT_EQ(reason_of_copy(report, TrustClass::kImported), "trust_raised");
  EXPECT_EQ(Messages(), 3u);
  EXPECT_EQ(reason_of_copy(report, TrustClass::kAnchored), "");
  // Where another revision counts, this one still does not.
  StoredReport better = MakeReport(kDomain, kTestDay, "id 2", "doc better", {20});
  better.trust = TrustClass::kAuthenticated;
  MustStore(better);
  StoredReport worse = MakeReport(kDomain, kTestDay, "id 2", "doc worse", {7, 7});
  worse.trust = TrustClass::kUnverified;
  MustStore(worse);
  EXPECT_EQ(reason_of_copy(worse, TrustClass::kImported), "");
  EXPECT_EQ(Messages(), 23u);
  EXPECT_EQ(reason_of_copy(worse, TrustClass::kAnchored), "trust_raised");
  EXPECT_EQ(Messages(), 17u);
}

TEST_P(ReportStoreTest, WhatIsUnverifiedOrQuarantinedIsKeptAndCountsNowhere) {
  for (const TrustClass trust : {TrustClass::kUnverified, TrustClass::kQuarantined}) {
    const std::string name = std::to_string(static_cast<int>(trust));
    StoredReport report = MakeReport(kDomain, kTestDay, "id " + name, "doc " + name, {3});
    report.trust = trust;
    EXPECT_EQ(MustStore(report).outcome, Outcome::kAccepted);
    EXPECT_THAT(Totals(), IsEmpty());
    report.trust = TrustClass::kImported;
    EXPECT_EQ(MustStore(report).outcome, Outcome::kDuplicate);
    EXPECT_EQ(Messages(), 3u);
    // A better revision than it takes its place, a worse one does not.
    StoredReport revision = MakeReport(kDomain, kTestDay, "id " + name, "doc 2 " + name, {1, 1});
    revision.trust = trust;
    MustStore(revision);
    EXPECT_EQ(Messages(), 3u);
    const ReceiptId id = MustAccept("better " + name);
    revision = MakeReport(kDomain, kTestDay, "id " + name, "doc 3 " + name, {20});
    revision.trust = TrustClass::kAnchored;
    MustProcess(id, {revision});
    EXPECT_EQ(Messages(), 20u);
    MustProcess(id, {});
    EXPECT_EQ(Messages(), 3u);
    DropAll();
  }
}

TEST_P(ReportStoreTest, AReportThatIsQuarantinedByTrustIsListedAndStored) {
  StoredReport report = MakeReport(kDomain, kTestDay, "id", "doc", {3});
  report.trust = TrustClass::kQuarantined;
  CommitBatch batch;
  batch.processed.push_back(Process(MustAccept("raw"), {report}));
  batch.processed[0].items[0].item.outcome = Outcome::kQuarantined;
  batch.processed[0].items[0].item.reason = "identity_mismatch";
  MustCommit(std::move(batch));
  const auto page = writer().ListUnreadable(std::nullopt, 10);
  ASSERT_THAT(page->rows, SizeIs(1));
  EXPECT_EQ(page->rows[0].item.reason, "identity_mismatch");
  ASSERT_THAT(List(), SizeIs(1));
  EXPECT_EQ(page->rows[0].item.report_name, List()[0].key.ToId());
  EXPECT_THAT(Totals(), IsEmpty());
}

// Dropping takes the report along, unless a genuine copy of it came since.
TEST_P(ReportStoreTest, DroppingAReportThatTrustQuarantinedTakesItOut) {
  const ReceiptId lie = MustAccept("lie"), copied = MustAccept("copied");
  Quarantine(lie, "lie");
  Quarantine(copied, "copied");
  EXPECT_EQ(MustStore(MakeReport(kDomain, kTestDay, "copied", "copied", {3})).outcome,
            Outcome::kDuplicate);
  EXPECT_EQ(Messages(), 3u);
  CommitBatch batch;
  batch.dropped = {lie, copied};
  MustCommit(std::move(batch));
  EXPECT_THAT(writer().ListUnreadable(std::nullopt, 10)->rows, IsEmpty());
  ASSERT_THAT(List(), SizeIs(1));
  EXPECT_EQ(List()[0].key.receipt, copied);
  EXPECT_EQ(Messages(), 3u);
  MustProcess(copied, {});
  EXPECT_THAT(List(), IsEmpty());
}

// What a copy has lent stays, whatever the first mail is judged to be when it is read again.
TEST_P(ReportStoreTest, ReadingAgainTakesAwayNoTrust) {
  const ReceiptId first = MustAccept("first");
  Quarantine(first, "doc");
  EXPECT_EQ(List().at(0).reason, TrustReason::kIdentityMismatch);
  StoredReport copy = MakeReport(kDomain, kTestDay, "doc", "doc", {3});
  copy.reason = TrustReason::kHandedIn;
  MustStore(copy);
  for (int i = 0; i < 2; ++i) {
    const ReceiptItem item = Quarantine(first, "doc");
    EXPECT_EQ(item.outcome, Outcome::kAccepted);
    EXPECT_EQ(item.reason, "");
    EXPECT_EQ(Messages(), 3u);
    ASSERT_THAT(List(), SizeIs(1));
    EXPECT_EQ(List()[0].key.receipt, first);
    EXPECT_EQ(List()[0].trust, TrustClass::kImported);
    EXPECT_EQ(List()[0].reason, TrustReason::kHandedIn);
    EXPECT_EQ(List()[0].reporter_key, "google.com");
    EXPECT_THAT(writer().ListUnreadable(std::nullopt, 10)->rows, IsEmpty());
  }
  // More trust than before is taken, and with it who reports.
  StoredReport anchored = MakeReport(kDomain, kTestDay, "doc", "doc", {3});
  anchored.trust = TrustClass::kAnchored;
  anchored.reporter_key = "yahoo.com";
  MustProcess(first, {anchored});
  EXPECT_EQ(List()[0].trust, TrustClass::kAnchored);
  EXPECT_EQ(List()[0].reporter_key, "yahoo.com");
}

// Only the documents that a receipt had given and gives again keep what was lent to them.
TEST_P(ReportStoreTest, TrustStaysWithItsDocument) {
  const ReceiptId first = MustAccept("first");
  Quarantine(first, "doc");
  MustStore(MakeReport(kDomain, kTestDay, "doc", "doc", {3}));
  EXPECT_EQ(Quarantine(first, "another").outcome, Outcome::kQuarantined);
  ASSERT_THAT(List(), SizeIs(1));
  EXPECT_EQ(List()[0].trust, TrustClass::kQuarantined);
  EXPECT_THAT(Totals(), IsEmpty());
}

// A report that a copy has lent trust to is no longer in doubt, so it is neither read again nor
// dropped with what is.
TEST_P(ReportStoreTest, AReportLeavesTheQuarantineWhenACopyLendsItTrust) {
  const ReceiptId first = MustAccept("first"), mixed = MustAccept("mixed");
  Quarantine(first, "doc");
  Quarantine(mixed, "mixed");
  CommitBatch batch;
  StoredReport report = MakeReport(kDomain, kTestDay, "mixed", "mixed", {4});
  report.trust = TrustClass::kQuarantined;
  batch.processed.push_back(Process(mixed, {report}));
  batch.processed[0].items[0].item.outcome = Outcome::kQuarantined;
  batch.processed[0].items.push_back(
      std::move(ProcessUnreadable(mixed, Outcome::kNotAReport, "xml").items[0]));
  batch.processed[0].items[1].item.file_name = "b";
  MustCommit(std::move(batch));
  EXPECT_THAT(writer().ListUnreadable(std::nullopt, 10)->rows, SizeIs(3));
  MustProcess(MustAccept("copies"), {MakeReport(kDomain, kTestDay, "doc", "doc", {3}),
                                     MakeReport(kDomain, kTestDay, "mixed", "mixed", {4})});
  const auto rows = writer().ListUnreadable(std::nullopt, 10)->rows;
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].item.reason, "xml");
  EXPECT_EQ(rows[0].receipt.subject, "Report Domain: example.com");
  const auto settled = writer().GetReceipt(first);
  EXPECT_EQ(settled->items[0].outcome, Outcome::kAccepted);
  EXPECT_EQ(settled->receipt.subject, "") << "nothing in it is unreadable any more";
  EXPECT_EQ(Messages(), 7u);
  CommitBatch drop;
  drop.dropped = {first, mixed};
  EXPECT_THAT(MustCommit(std::move(drop)).dropped, ElementsAre(DropResult{}, DropResult{true, 0}));
  EXPECT_EQ(Messages(), 7u);
}

// The same, where the copy is in the same mail.
TEST_P(ReportStoreTest, ACopyInTheSameMailSettlesTheFirst) {
  StoredReport report = MakeReport(kDomain, kTestDay, "doc", "doc", {3});
  report.trust = TrustClass::kQuarantined;
  StoredReport copy = report;
  copy.trust = TrustClass::kImported;
  CommitBatch batch;
  batch.processed.push_back(Process(MustAccept("raw"), {report, copy}));
  batch.processed[0].items[0].item.outcome = Outcome::kQuarantined;
  const auto items = MustCommit(std::move(batch)).processed.at(0);
  EXPECT_EQ(items[0].outcome, Outcome::kAccepted);
  EXPECT_EQ(items[1].outcome, Outcome::kDuplicate);
  EXPECT_THAT(writer().ListUnreadable(std::nullopt, 10)->rows, IsEmpty());
  EXPECT_EQ(Messages(), 3u);
}

// Too many in one receipt: reading it again takes out what it gave, once.
TEST_P(ReportStoreTest, AReceiptWithTooManyRevisionsCanBeReadAgain) {
  std::vector<StoredReport> reports;
  for (size_t i = 0; i <= kMaxRevisions; ++i) {
    reports.push_back(MakeReport(kDomain, kTestDay, "id", fmt::format("doc {}", i), {1}));
  }
  const ReceiptId id = MustAccept("raw");
  EXPECT_EQ(MustProcess(id, reports).back().outcome, Outcome::kOverLimit);
  EXPECT_EQ(MustProcess(id, {reports[0]}).size(), 1u);
  EXPECT_THAT(List(), SizeIs(1));
  EXPECT_EQ(Messages(), 1u);
}

// Somebody who can predict a report id sends first, or last, or in between: what is believed and
// counted in the end does not depend on it.
TEST_P(ReportStoreTest, APredictedReportIdSuppressesNothingInAnyOrder) {
  const auto make = [](TrustClass trust, std::string reporter, std::string document,
                       std::vector<uint64_t> counts) {
    StoredReport report = MakeReport(kDomain, kTestDay, "predicted", document, counts);
    report.trust = trust;
    report.reporter_key = std::move(reporter);
    return report;
  };
  const std::vector<StoredReport> arrivals = {
      make(TrustClass::kAnchored, "google.com", "genuine", {3, 4}),
      make(TrustClass::kUnverified, "google.com", "genuine", {3, 4}),  // a leaked copy
      make(TrustClass::kUnverified, "google.com", "fake", {1000, 1000, 1000}),
      make(TrustClass::kQuarantined, "evil.example", "lie", {1000, 1000, 1000}),
      make(TrustClass::kAuthenticated, "evil.example", "own", {50, 50, 50}),
  };
  std::vector<size_t> order = {0, 1, 2, 3, 4};
  do {
    CommitBatch batch;
    for (const size_t i : order) {
      const ReceiptId id = MustAccept(fmt::format("{} {}", testing::PrintToString(order), i));
      batch.processed.push_back(Process(id, {arrivals[i]}));
    }
    MustCommit(std::move(batch));
    EXPECT_EQ(Messages(), 157u) << testing::PrintToString(order);
    int genuine = 0;
    for (const StoredReport& report : List()) {
      if (report.document_sha256 != arrivals[0].document_sha256) continue;
      ++genuine;
      EXPECT_EQ(report.trust, TrustClass::kAnchored) << testing::PrintToString(order);
      EXPECT_TRUE(report.current) << testing::PrintToString(order);
    }
    EXPECT_EQ(genuine, 1) << testing::PrintToString(order);
    DropAll();
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_P(ReportStoreTest, RevisionsOfOneTrustHaveALimit) {
  const auto store = [&](size_t number, TrustClass trust) {
    StoredReport report = MakeReport(
        kDomain, kTestDay, "id", fmt::format("{} {}", number, static_cast<int>(trust)), {number});
    report.trust = trust;
    return MustStore(report);
  };
  for (size_t i = 1; i <= kMaxRevisions; ++i) {
    EXPECT_EQ(store(i, TrustClass::kImported).outcome, Outcome::kAccepted) << i;
  }
  const ReceiptItem refused = store(kMaxRevisions + 1, TrustClass::kImported);
  EXPECT_EQ(refused.outcome, Outcome::kOverLimit);
  EXPECT_EQ(refused.reason, "too_many_revisions");
  EXPECT_EQ(Messages(), kMaxRevisions);
  EXPECT_THAT(writer().ListUnreadable(std::nullopt, 10)->rows, SizeIs(1));
  // It keeps out nobody who is more trusted.
  EXPECT_EQ(store(5, TrustClass::kAnchored).outcome, Outcome::kAccepted);
  EXPECT_EQ(Messages(), 5u);
  EXPECT_THAT(List(), SizeIs(kMaxRevisions + 1));
}

// Trust that a copy lends is trust like any other.
TEST_P(ReportStoreTest, LentTrustHasTheSameLimit) {
  const auto store = [&](size_t number, TrustClass trust) {
    StoredReport report =
        MakeReport(kDomain, kTestDay, "id", fmt::format("doc {}", number), {number});
    report.trust = trust;
    return MustStore(report);
  };
  for (size_t i = 1; i <= kMaxRevisions + 1; ++i) {
    EXPECT_EQ(store(i, TrustClass::kUnverified).outcome, Outcome::kAccepted) << i;
    EXPECT_EQ(store(i, TrustClass::kAuthenticated).outcome, Outcome::kDuplicate) << i;
  }
  const std::vector<StoredReport> all = List();
  EXPECT_THAT(all, SizeIs(kMaxRevisions + 1));
  EXPECT_EQ(std::ranges::count(all, TrustClass::kAuthenticated, &StoredReport::trust),
            static_cast<std::ptrdiff_t>(kMaxRevisions));
  EXPECT_EQ(Messages(), kMaxRevisions);
}

struct RevisionCase {
  TrustClass first_trust, second_trust;
  std::vector<uint64_t> first, second;
  uint64_t want_messages;
};
TEST_P(ReportStoreTest, RevisionsAreBothKeptAndOneCounts) {
  const RevisionCase cases[] = {
      {TrustClass::kImported, TrustClass::kImported, {10}, {1, 1}, 2},
      {TrustClass::kImported, TrustClass::kImported, {10}, {1}, 1},
      {TrustClass::kImported, TrustClass::kImported, {10, 10}, {1}, 20},
      {TrustClass::kAnchored, TrustClass::kImported, {10}, {1, 1}, 10},
      {TrustClass::kUnverified, TrustClass::kImported, {10, 10}, {1}, 1},
  };
  DayNumber day = kTestDay;
  for (const RevisionCase& c : cases) {
    StoredReport first = MakeReport(kDomain, ++day, "id", fmt::format("first {}", day), c.first);
    first.trust = c.first_trust;
    StoredReport second = MakeReport(kDomain, day, "id", fmt::format("second {}", day), c.second);
    second.trust = c.second_trust;
    MustStore(first);
    EXPECT_EQ(MustStore(second).outcome, Outcome::kAccepted);
    const auto totals = Totals(day, day);
    ASSERT_THAT(totals, SizeIs(1)) << day;
    EXPECT_EQ(totals[0].messages, c.want_messages) << day;
    EXPECT_EQ(totals[0].reports, 1) << day;
    const auto page = reader().ListReports(kDomain, day, day, std::nullopt, 10);
    ASSERT_THAT(page->reports, SizeIs(2));
    EXPECT_NE(page->reports[0].current, page->reports[1].current);
  }
}

TEST_P(ReportStoreTest, OtherReporterIntervalOrDomainIsAnotherReport) {
  MustStore(MakeReport(kDomain, kTestDay, "id", "a", {1}));
  StoredReport reporter = MakeReport(kDomain, kTestDay, "id", "b", {2});
  reporter.reporter_key = "yahoo.com";
  MustStore(reporter);
  StoredReport interval = MakeReport(kDomain, kTestDay, "id", "c", {4});
  interval.report.metadata.end += 1;
  MustStore(interval);
  MustStore(MakeReport(kDomain, kTestDay + 1, "id", "d", {8}));
  MustStore(MakeReport("example.net", kTestDay, "id", "e", {16}));
  EXPECT_EQ(Messages(), 15u);
}

TEST_P(ReportStoreTest, ProcessingAgainReplaces) {
  const ReceiptId id = MustAccept("raw");
  MustProcess(id, {MakeReport(kDomain, kTestDay, "id", "doc", {3}),
                   MakeReport(kDomain, kTestDay + 1, "other", "doc 2", {4})});
  EXPECT_EQ(Messages(), 7u);
  MustProcess(id, {MakeReport(kDomain, kTestDay, "id", "doc", {3, 2})});
  EXPECT_EQ(Messages(), 5u);
  EXPECT_THAT(Totals(), SizeIs(1));
  EXPECT_THAT(List(), SizeIs(1));
  CommitBatch batch;
  batch.processed.push_back(ProcessUnreadable(id, Outcome::kQuarantined, "xml"));
  MustCommit(std::move(batch));
  EXPECT_THAT(Totals(), IsEmpty());
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_THAT(*reader().ListDomains("", 10), IsEmpty());
  EXPECT_THAT(writer().ListUnreadable(std::nullopt, 10)->rows, SizeIs(1));
  // Its documents are forgotten with it.
  EXPECT_EQ(MustStore(MakeReport(kDomain, kTestDay, "id", "doc", {3})).outcome, Outcome::kAccepted);
  MustProcess(id, {});
  EXPECT_THAT(writer().ListUnreadable(std::nullopt, 10)->rows, IsEmpty());
}

TEST_P(ReportStoreTest, TheRevisionBeforeCountsAgainWhenTheCurrentOneGoes) {
  MustStore(MakeReport(kDomain, kTestDay, "id", "doc", {3}));
  const ReceiptId id = MustAccept("later");
  MustProcess(id, {MakeReport(kDomain, kTestDay, "id", "doc 2", {1, 1})});
  EXPECT_EQ(Messages(), 2u);
  MustProcess(id, {});
  EXPECT_EQ(Messages(), 3u);
  ASSERT_THAT(List(), SizeIs(1));
  EXPECT_TRUE(List()[0].current);
}

TEST_P(ReportStoreTest, CountsStopAtTheLargestNumberAndComeBack) {
  const uint64_t huge = UINT64_MAX;
  MustStore(MakeReport(kDomain, kTestDay, "a", "a", {5}));
  const ReceiptId id = MustAccept("huge");
  MustProcess(id, {MakeReport(kDomain, kTestDay, "b", "b", {huge, huge})});
  EXPECT_EQ(Messages(), huge);
  MustProcess(id, {MakeReport(kDomain, kTestDay, "c", "c", {1})});
  EXPECT_EQ(Messages(), 6u);
}

TEST_P(ReportStoreTest, AWrongBatchWritesNothing) {
  const ReceiptId id = MustAccept("raw");
  const StoredReport good = MakeReport(kDomain, kTestDay, "id", "doc", {3});
  const auto refused = [&](absl::StatusCode code, const std::function<void(CommitBatch&)>& spoil) {
    CommitBatch batch;
    batch.accepted.push_back(Accept("more"));
    batch.processed.push_back(Process(id, {good}));
    batch.processed.push_back(Process(id, {good}));
    spoil(batch);
    EXPECT_EQ(writer().Commit(std::move(batch), Sync::kYes).status().code(), code);
  };
  const auto last = [](CommitBatch& batch) -> StoredReport& {
    return *batch.processed[1].items[0].report;
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  refused(kInvalid, [&](CommitBatch& batch) { last(batch).key.receipt = 77; });
  refused(kInvalid, [&](CommitBatch& batch) { last(batch).key.domain.clear(); });
  refused(kInvalid, [&](CommitBatch& batch) { last(batch).key.day = -1; });
  refused(kInvalid, [&](CommitBatch& batch) { last(batch).document_sha256 = "short"; });
  refused(absl::StatusCode::kNotFound,
          [&](CommitBatch& batch) { batch.processed[1] = Process(99, {good}); });
  EXPECT_THAT(*writer().Pending(10), SizeIs(1));
  EXPECT_EQ(*writer().FindByRaw(Sha256("raw")), std::nullopt);
  EXPECT_THAT(Totals(), IsEmpty());
  EXPECT_EQ(MustAccept("more"), id + 1);
}

TEST_P(ReportStoreTest, ADuplicateNoticedInTheMailIsLinkedByItsDocument) {
  const ReceiptId first = MustAccept("first"), second = MustAccept("second");
  CommitBatch batch;
  batch.processed.push_back(Process(first, {MakeReport(kDomain, kTestDay, "id", "doc", {3})}));
  for (const ReceiptId id : {first, second}) {
    if (id == second) batch.processed.push_back(Process(second, {}));
    ProcessedItem& copy = batch.processed.back().items.emplace_back();
    copy.item.outcome = Outcome::kDuplicate;
    copy.item.kind = "aggregate";
    copy.document_sha256 = Sha256("doc");
  }
  ProcessedItem& unknown = batch.processed.back().items.emplace_back();
  unknown.item.outcome = Outcome::kDuplicate;
  unknown.document_sha256 = Sha256("another");
  const auto items = MustCommit(std::move(batch)).processed;
  ASSERT_THAT(items, SizeIs(2));
  ASSERT_THAT(items[0], SizeIs(2));
  EXPECT_EQ(items[0][1].outcome, Outcome::kDuplicate);
  EXPECT_EQ(items[0][1].report_name, items[0][0].report_name);
  EXPECT_EQ(items[0][1].domain, kDomain);
  ASSERT_THAT(items[1], SizeIs(2));
  EXPECT_EQ(items[1][0].report_name, items[0][0].report_name);
  EXPECT_EQ(items[1][1].report_name, "");
  EXPECT_EQ(Messages(), 3u);
  EXPECT_EQ(writer().GetReceipt(first)->items[1].report_name, items[0][0].report_name);
}

TEST_P(ReportStoreTest, BytesWhoseHashesBeginAlikeAreKeptApart) {
  const ReceiptId a = MustAccept("a");
  MustProcess(a, {MakeReport(kDomain, kTestDay, "id", "doc", {3})});
  std::string alike = Sha256("a");
  alike.back() ^= 1;
  std::vector<ReceiptId> ids;
  for (int i = 0; i < 2; ++i) {
    CommitBatch batch;
    batch.accepted.push_back(Accept("b"));
    batch.accepted[0].receipt.raw_sha256 = alike;
    const CommitResult result = MustCommit(std::move(batch));
    EXPECT_THAT(result.raw_known, ElementsAre(i > 0));
    ids.push_back(result.accepted.at(0));
  }
  EXPECT_EQ(*writer().FindByRaw(alike), std::nullopt);
  EXPECT_EQ(*writer().ReadRaw(Sha256("a")), "a");
  // Bytes are there, though not ones with this hash.
  EXPECT_EQ(writer().ReadRaw(alike).status().code(), absl::StatusCode::kDataLoss);
  CommitBatch batch;
  batch.processed.push_back(ProcessUnreadable(ids[0], Outcome::kQuarantined, "xml"));
  MustCommit(std::move(batch));
  const auto items = *writer().FindByRaw(alike);
  ASSERT_TRUE(items.has_value());
  EXPECT_EQ((*items)[0].reason, "xml");
  EXPECT_THAT(**writer().FindByRaw(Sha256("a")), SizeIs(1));
}

TEST_P(ReportStoreTest, GetsAReceiptWithWhatCameOfIt) {
  const ReceiptId id = MustAccept("raw");
  EXPECT_FALSE(writer().GetReceipt(id)->receipt.processed);
  MustProcess(id, {MakeReport(kDomain, kTestDay, "id", "doc", {3})});
  const auto got = writer().GetReceipt(id);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_TRUE(got->receipt.processed);
  EXPECT_EQ(got->receipt.raw_sha256, Sha256("raw"));
  EXPECT_THAT(got->items, SizeIs(1));
  EXPECT_EQ(writer().GetReceipt(id + 1).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(ReportStoreTest, DroppingForgetsTheReceiptAndItsBytes) {
  const std::string large(3'500'000, 'x');
  const ReceiptId small_id = MustAccept("bad"), large_id = MustAccept(large),
                  pending = MustAccept("pending");
  CommitBatch batch;
  batch.processed.push_back(ProcessUnreadable(small_id, Outcome::kQuarantined, "xml"));
  batch.processed.push_back(ProcessUnreadable(large_id, Outcome::kOverLimit, "large"));
  MustCommit(std::move(batch));
  CommitBatch drop;
  drop.dropped = {small_id, large_id, pending, 99};
  EXPECT_THAT(
      MustCommit(drop).dropped,
      ElementsAre(DropResult{true, 3}, DropResult{true, 3'500'000}, DropResult{}, DropResult{}));
  EXPECT_THAT(writer().ListUnreadable(std::nullopt, 10)->rows, IsEmpty());
  for (const std::string& raw : {std::string("bad"), large}) {
    EXPECT_EQ(writer().ReadRaw(Sha256(raw)).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(reader().ReadRaw(Sha256(raw)).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(*writer().FindByRaw(Sha256(raw)), std::nullopt);
  }
  EXPECT_EQ(writer().GetReceipt(small_id).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(*writer().ReadRaw(Sha256("pending")), "pending");
  EXPECT_THAT(*writer().Pending(10), SizeIs(1));
  // Twice is as once; and the bytes may come again.
  EXPECT_THAT(MustCommit(drop).dropped, testing::Each(DropResult{}));
  EXPECT_EQ(MustAccept(large), pending + 1);
  EXPECT_EQ(*writer().ReadRaw(Sha256(large)), large);
}

TEST_P(ReportStoreTest, DroppingKeepsTheReportsOfTheMessage) {
  const ReceiptId id = MustAccept("mixed");
  CommitBatch batch;
  batch.processed.push_back(Process(id, {MakeReport(kDomain, kTestDay, "id", "doc", {3})}));
  batch.processed[0].items.push_back(
      std::move(ProcessUnreadable(id, Outcome::kQuarantined, "xml").items[0]));
  MustCommit(std::move(batch));
  EXPECT_THAT(writer().ListUnreadable(std::nullopt, 10)->rows, SizeIs(1));
  CommitBatch drop;
  drop.dropped = {id};
  EXPECT_THAT(MustCommit(std::move(drop)).dropped, ElementsAre(DropResult{true, 0}));
  EXPECT_THAT(writer().ListUnreadable(std::nullopt, 10)->rows, IsEmpty());
  EXPECT_EQ(Messages(), 3u);
  EXPECT_EQ(*reader().ReadRaw(Sha256("mixed")), "mixed");
  EXPECT_THAT(writer().GetReceipt(id)->items, SizeIs(1));
  // They are kept only for who looks at what is unreadable.
  EXPECT_EQ(writer().GetReceipt(id)->receipt.subject, "");
  EXPECT_EQ(writer().GetReceipt(id)->receipt.from_domain, "");
}

TEST_P(ReportStoreTest, DroppingTheFirstOfTwoLeavesTheBytesToTheSecond) {
  for (const std::string& raw : {std::string("same"), std::string(2'200'000, 'y')}) {
    const ReceiptId first = MustAccept(raw), second = MustAccept(raw), third = MustAccept(raw);
    CommitBatch batch;
    for (const ReceiptId id : {first, second}) {
      batch.processed.push_back(ProcessUnreadable(id, Outcome::kQuarantined, "xml"));
    }
    MustCommit(std::move(batch));
    CommitBatch drop;
    drop.dropped = {first};
    EXPECT_THAT(MustCommit(std::move(drop)).dropped, ElementsAre(DropResult{true, 0}));
    EXPECT_EQ(*writer().ReadRaw(Sha256(raw)), raw);
    EXPECT_EQ(*reader().ReadRaw(Sha256(raw)), raw);
    CommitBatch rest;
    rest.processed.push_back(ProcessUnreadable(third, Outcome::kQuarantined, "xml"));
    rest.dropped = {third, second};
    const auto size = static_cast<int64_t>(raw.size());
    EXPECT_THAT(MustCommit(std::move(rest)).dropped,
                ElementsAre(DropResult{true, 0}, DropResult{true, size}));
    EXPECT_EQ(reader().ReadRaw(Sha256(raw)).status().code(), absl::StatusCode::kNotFound);
  }
}

TEST_P(ReportStoreTest, ListsUnreadableNewestFirstInPages) {
  for (int i = 1; i <= 5; ++i) {
    const ReceiptId id = MustAccept("raw " + std::to_string(i));
    CommitBatch batch;
    batch.processed.push_back(
        i == 3 ? Process(id, {MakeReport(kDomain, kTestDay, "id", "doc", {3})})
               : ProcessUnreadable(id, i == 4 ? Outcome::kOverLimit : Outcome::kNotAReport,
                                   "reason " + std::to_string(i)));
    MustCommit(std::move(batch));
  }
  const auto reasons = [](const ReportWriter::UnreadablePage& page) {
    std::vector<std::string> out;
    for (const auto& [receipt, item, ordinal] : page.rows) out.push_back(item.reason);
    return out;
  };
  auto page = writer().ListUnreadable(std::nullopt, 2);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(reasons(*page), ElementsAre("reason 5", "reason 4"));
  EXPECT_EQ(page->rows[0].receipt.id, 5u);
  EXPECT_TRUE(page->rows[0].receipt.processed);
  EXPECT_EQ(page->rows[0].receipt.subject, "Report Domain: example.com");
  EXPECT_EQ(page->rows[0].receipt.from_domain, "google.com");
  EXPECT_EQ(page->next, (ReportWriter::ItemPlace{2, 0}));
  page = writer().ListUnreadable(page->next, 2);
  EXPECT_THAT(reasons(*page), ElementsAre("reason 2", "reason 1"));
  EXPECT_EQ(page->next, std::nullopt);
}

// One receipt may have more than fits into a page.
TEST_P(ReportStoreTest, APageOfUnreadableEndsWithinAReceiptToo) {
  for (int i = 1; i <= 2; ++i) {
    CommitBatch batch;
    batch.processed.push_back(Process(MustAccept("raw " + std::to_string(i)), {}));
    for (int n = 0; n < 7; ++n) {
      ReceiptItem& item = batch.processed[0].items.emplace_back().item;
      item.outcome = n == 3 ? Outcome::kDuplicate : Outcome::kQuarantined;
      item.reason = fmt::format("{}.{}", i, n);
    }
    MustCommit(std::move(batch));
  }
  std::vector<std::string> reasons;
  std::vector<size_t> sizes;
  std::optional<ReportWriter::ItemPlace> from;
  do {
    const auto page = *writer().ListUnreadable(from, 4);
    sizes.push_back(page.rows.size());
    for (const auto& [receipt, item, ordinal] : page.rows) {
      reasons.push_back(item.reason);
      EXPECT_EQ(item.reason, fmt::format("{}.{}", receipt.id, ordinal));
    }
    from = page.next;
  } while (from);
  EXPECT_THAT(sizes, ElementsAre(4, 4, 4));
  EXPECT_THAT(reasons, ElementsAre("2.0", "2.1", "2.2", "2.4", "2.5", "2.6", "1.0", "1.1", "1.2",
                                   "1.4", "1.5", "1.6"));
}

TEST_P(ReportStoreTest, APageOfUnreadableIsBoundedInBytes) {
  CommitBatch batch;
  batch.processed.push_back(Process(MustAccept("raw"), {}));
  for (int n = 0; n < 40; ++n) {
    ReceiptItem& item = batch.processed[0].items.emplace_back().item;
    item.outcome = Outcome::kQuarantined;
    item.detail.assign(kUnreadablePageBytes / 10, 'x');
  }
  MustCommit(std::move(batch));
  const auto page = *writer().ListUnreadable(std::nullopt, 1000);
  EXPECT_THAT(page.rows, SizeIs(10));
  EXPECT_EQ(page.next, (ReportWriter::ItemPlace{1, 10}));
}

TEST_P(ReportStoreTest, ReadersSeeDaysInOrderAndWithinBounds) {
  for (const DayNumber day : {kTestDay + 2, kTestDay, kTestDay + 1}) {
    MustStore(MakeReport(kDomain, day, "id", fmt::format("doc {}", day), {1}));
  }
  MustStore(MakeReport("example.co", kTestDay + 1, "id", "x", {100}));
  MustStore(MakeReport("example.com.au", kTestDay + 1, "id", "y", {100}));
  std::vector<DayNumber> days;
  const auto visit = [&days](const StoredReport& report) {
    days.push_back(report.key.day);
    return days.size() < 2;
  };
  ASSERT_TRUE(reader().ForEachReport(kDomain, kTestDay, kTestDay + 9, visit).ok());
  EXPECT_THAT(days, ElementsAre(kTestDay, kTestDay + 1));
  EXPECT_THAT(Totals(kTestDay + 1, kTestDay + 1), SizeIs(1));
  EXPECT_THAT(Totals(kTestDay + 1, kTestDay), IsEmpty());
  EXPECT_THAT(*reader().ListDomains("", 10),
              ElementsAre(Pair("example.co", kTestDay + 1), Pair(kDomain, kTestDay + 2),
                          Pair("example.com.au", kTestDay + 1)));
  EXPECT_THAT(*reader().ListDomains("example.co", 1), ElementsAre(Pair(kDomain, kTestDay + 2)));
  EXPECT_THAT(*reader().ListDomains("f", 10), IsEmpty());
}

TEST_P(ReportStoreTest, ListReportsPagesNewestDayFirstWithoutRows) {
  for (int i = 0; i < 5; ++i) {
    StoredReport report =
        MakeReport(kDomain, kTestDay + i / 2, std::to_string(i), std::to_string(i), {1, 2});
    report.repairs = {{"code", "path", "raw", "chosen", false}};
    report.report.metadata.errors = {std::string(4096, 'x')};
    MustStore(report);
  }
  std::vector<std::string> ids;
  std::optional<ReportKey> from;
  do {
    const auto page = reader().ListReports(kDomain, kTestDay, kTestDay + 2, from, 2);
    ASSERT_TRUE(page.ok()) << page.status();
    ASSERT_LE(page->reports.size(), 2u);
    for (const StoredReport& report : page->reports) {
      ids.push_back(report.report.metadata.report_id);
      EXPECT_THAT(report.report.records, IsEmpty());
      EXPECT_THAT(report.repairs, IsEmpty());
      EXPECT_THAT(report.report.metadata.errors, IsEmpty());
      EXPECT_EQ(report.record_count, 2);
      EXPECT_EQ(report.message_count, 3u);
      EXPECT_EQ(report.repair_count, 1);
    }
    from = page->next;
  } while (from);
  EXPECT_THAT(ids, ElementsAre("4", "3", "2", "1", "0"));
  EXPECT_THAT(reader().ListReports(kDomain, kTestDay + 1, kTestDay + 1, std::nullopt, 9)->reports,
              SizeIs(2));
}

TEST_P(ReportStoreTest, AnyTextIsADomain) {
  // Policy domains are claims by strangers.
  for (const std::string& domain : {std::string("a\0b", 3), std::string("a\1b"), std::string("a"),
                                    std::string(4096, 'x'), std::string("\xc3\xa4.example")}) {
    MustStore(MakeReport(domain, kTestDay, "id", "doc " + domain, {1}));
    const auto totals = reader().ReadTotals(domain, kTestDay, kTestDay);
    ASSERT_THAT(*totals, SizeIs(1));
    EXPECT_EQ((*totals)[0].messages, 1u);
  }
  const auto domains = *reader().ListDomains("", 10);
  ASSERT_THAT(domains, SizeIs(5));
  EXPECT_TRUE(std::ranges::is_sorted(domains));
  EXPECT_EQ(domains[1].first, std::string("a\0b", 3));
}

TEST_P(ReportStoreTest, ADayHasAnotherRevisionOnceItHasChanged) {
  auto& days = dynamic_cast<DayRevisionReader&>(reader());
  const auto read = [&] {
    reader();
    std::map<DayNumber, uint64_t> out;
    const auto revisions = days.ReadDayRevisions(kDomain, kTestDay, kTestDay + 9);
    EXPECT_TRUE(revisions.ok()) << revisions.status();
    for (const DayRevision& day : *revisions) out[day.day] = day.revision;
    return out;
  };
  EXPECT_THAT(read(), IsEmpty());
  const ReceiptId first = MustAccept("first");
  MustProcess(first, {MakeReport(kDomain, kTestDay, "1", "1", {1})});
  auto before = read();
  ASSERT_EQ(before.size(), 1u);
  const auto changed = [&](const char* what) {
    auto now = read();
    EXPECT_NE(now[kTestDay], before[kTestDay]) << what;
    before = std::move(now);
  };
  MustStore(MakeReport(kDomain, kTestDay, "2", "2", {2}));
  changed("another report");
  StoredReport trusted = MakeReport(kDomain, kTestDay, "2", "2", {2});
  trusted.trust = TrustClass::kAnchored;
  MustStore(trusted);
  changed("a copy lent more trust");
  MustStore(MakeReport(kDomain, kTestDay, "1", "1b", {1, 1}));
  changed("a revision counts");
  MustProcess(first, {MakeReport(kDomain, kTestDay, "1", "1c", {1, 1, 1})});
  changed("read again");
  PurgeTarget target;
  target.address = MakeReport(kDomain, kTestDay, "2", "2", {2}).report.records[0].source_ip;
  ASSERT_TRUE(writer().Purge(target, PurgeMode::kRemove, [](const auto&) { return true; }).ok());
  changed("an address was purged");
  const uint64_t same = before[kTestDay];
  EXPECT_EQ(read()[kTestDay], same);
  MustStore(MakeReport(kDomain, kTestDay + 1, "3", "3", {2}));
  if (GetParam().name != "Fake") {
    EXPECT_EQ(read()[kTestDay], same) << "another day";
  }
  EXPECT_EQ(read().size(), 2u);
  before = read();
  ExpiryCutoffs cutoffs;
  cutoffs.rows = absl::InfiniteFuture();
  ASSERT_TRUE(writer().Expire(cutoffs, 100).ok());
  changed("rows have expired");
  target = {.domain = kDomain, .address = {}};
  ASSERT_TRUE(writer().Purge(target, PurgeMode::kRemove, [](const auto&) { return true; }).ok());
  EXPECT_THAT(read(), IsEmpty());
}

TEST_P(ReportStoreTest, ReaderSeesNewThingsAfterCatchUpOnly) {
  ReportReader& caught_up = reader();
  const uint64_t before = caught_up.version();
  ASSERT_TRUE(caught_up.CatchUp().ok());
  EXPECT_EQ(caught_up.version(), before);
  MustStore(MakeReport(kDomain, kTestDay, "id", "doc", {1}));
  EXPECT_EQ(caught_up.version(), before);
  EXPECT_THAT(*caught_up.ReadTotals(kDomain, 0, kTestDay), IsEmpty());
  ASSERT_TRUE(caught_up.CatchUp().ok());
  EXPECT_NE(caught_up.version(), before);
  EXPECT_THAT(*caught_up.ReadTotals(kDomain, 0, kTestDay), SizeIs(1));
}

INSTANTIATE_TEST_SUITE_P(All, ReportStoreTest, testing::ValuesIn(kBothStores),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace dmarcate
