// Receipts: what came of each, what of them cannot be read, and dropping them.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "tests/lib/store/report_store_suite.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

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

}  // namespace
}  // namespace dmarcate
