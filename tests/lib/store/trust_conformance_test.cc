// Trust: what copies lend, what is quarantined, and reading again.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/store/report_rules.h"
#include "tests/lib/store/report_store_suite.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

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

}  // namespace
}  // namespace dmarcate
