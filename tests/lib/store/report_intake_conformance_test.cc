// What comes in: kept once, processed once, all or nothing.

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "tests/lib/store/report_store_suite.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

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

}  // namespace
}  // namespace dmarcate
