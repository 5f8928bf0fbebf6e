// What every report store promises of failure reports, run on the fake and on RocksDB with a
// follower.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/store/failure_codec.h"
#include "tests/lib/store/both_stores.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kDomain[] = "example.com";

class FailureReportStoreTest : public testing::TestWithParam<StoreParam> {
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
    return MustCommit(std::move(batch)).accepted.at(0);
  }
  ReceiptItem MustProcess(ReceiptId receipt, StoredFailureReport report, bool withhold = false) {
    CommitBatch batch;
    batch.processed.push_back(ProcessFailure(receipt, std::move(report)));
    batch.processed[0].withhold_raw = withhold;
    return MustCommit(std::move(batch)).processed.at(0).at(0);
  }
  ReceiptItem MustStore(StoredFailureReport report) {
    return MustProcess(MustAccept("raw " + std::to_string(++raw_)), std::move(report));
  }
  std::vector<StoredFailureReport> List(DayNumber first = 0, DayNumber last = kTestDay + 100) {
    auto page = reader().ListFailureReports(kDomain, first, last, std::nullopt, 1000);
    EXPECT_TRUE(page.ok()) << page.status();
    return page->reports;
  }

 private:
  std::unique_ptr<Store> store_ = GetParam().make();
  int raw_ = 0;
};

TEST_P(FailureReportStoreTest, GivesBackAllOfAReport) {
  StoredFailureReport report = MakeFailureReport(kDomain, kTestDay, "doc");
  report.outcome = Outcome::kAcceptedCosmetic;
  report.redacted = false;
  report.repairs = {{"ip_comment", "Source-IP", "a", "b", false}};
  const ReceiptItem item = MustStore(report);
  const auto key = ReportKey::FromId(item.domain, item.report_name);
  ASSERT_TRUE(key.has_value());
  const auto got = reader().GetFailureReport(*key);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->report, report.report);
  EXPECT_EQ(got->repairs, report.repairs);
  EXPECT_EQ(got->repair_count, 1);
  EXPECT_EQ(got->outcome, report.outcome);
  EXPECT_FALSE(got->redacted);
  EXPECT_EQ(got->received_time, report.received_time);
  EXPECT_EQ(got->channel, report.channel);
  EXPECT_EQ(List().at(0).repair_count, 1);
  EXPECT_THAT(List().at(0).repairs, IsEmpty());
  ReportKey other = *key;
  other.item = 7;
  EXPECT_EQ(reader().GetFailureReport(other).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(FailureReportStoreTest, SameDocumentIsADuplicateAndLendsItsTrust) {
  StoredFailureReport report = MakeFailureReport(kDomain, kTestDay, "doc");
  report.trust = TrustClass::kUnverified;
  report.reason = TrustReason::kSignatureFailed;
  const ReceiptItem first = MustStore(report);
  EXPECT_EQ(List().at(0).reason, TrustReason::kSignatureFailed);
  report.trust = TrustClass::kAuthenticated;
  report.reason = TrustReason::kNone;
  const ReceiptItem second = MustStore(report);
  EXPECT_EQ(second.outcome, Outcome::kDuplicate);
  EXPECT_EQ(second.report_name, first.report_name);
  EXPECT_EQ(second.reason, "");  // whatever its class, it counts for nothing
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(List(), SizeIs(1));
    EXPECT_EQ(List()[0].trust, TrustClass::kAuthenticated);
    EXPECT_EQ(List()[0].reason, TrustReason::kNone);
    report.trust = TrustClass::kUnverified;
    report.reason = TrustReason::kSignatureFailed;
    MustProcess(1, report);  // reading the first again takes away nothing of that
  }
}

TEST_P(FailureReportStoreTest, ReadingAReceiptAgainReplaces) {
  const ReceiptId receipt = MustAccept("raw");
  MustProcess(receipt, MakeFailureReport(kDomain, kTestDay, "one"));
  MustProcess(receipt, MakeFailureReport(kDomain, kTestDay + 1, "two"));
  ASSERT_THAT(List(), SizeIs(1));
  EXPECT_EQ(List()[0].key.day, kTestDay + 1);
  EXPECT_EQ(MustStore(MakeFailureReport(kDomain, kTestDay, "one")).outcome, Outcome::kAccepted);
}

TEST_P(FailureReportStoreTest, ListsNewestDayFirstInPages) {
  for (int i = 0; i < 5; ++i) {
    MustStore(MakeFailureReport(kDomain, kTestDay + i, std::to_string(i)));
  }
  std::vector<DayNumber> days;
  std::optional<ReportKey> from;
  do {
    const auto page = reader().ListFailureReports(kDomain, kTestDay + 1, kTestDay + 4, from, 3);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const StoredFailureReport& report : page->reports) days.push_back(report.key.day);
    from = page->next;
  } while (from);
  EXPECT_THAT(days, ElementsAre(kTestDay + 4, kTestDay + 3, kTestDay + 2, kTestDay + 1));
  EXPECT_THAT(List(kTestDay + 2, kTestDay), IsEmpty());
}

TEST_P(FailureReportStoreTest, RawBytesAreWithheld) {
  const std::string large(3'000'000, 'x');
  for (const std::string& raw : {std::string("small"), large}) {
    const ReceiptId first = MustAccept(raw), second = MustAccept(raw);
    EXPECT_TRUE(writer().ReadRaw(Sha256(raw)).ok());
    MustProcess(first, MakeFailureReport(kDomain, kTestDay, raw), /*withhold=*/true);
    EXPECT_TRUE(writer().ReadRaw(Sha256(raw)).ok()) << "the second is still to be read";
    EXPECT_EQ(MustProcess(second, MakeFailureReport(kDomain, kTestDay, raw), true).outcome,
              Outcome::kDuplicate);
    EXPECT_EQ(writer().ReadRaw(Sha256(raw)).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(reader().ReadRaw(Sha256(raw)).status().code(), absl::StatusCode::kNotFound);
    const auto known = writer().FindByRaw(Sha256(raw));
    ASSERT_TRUE(known.ok() && known->has_value()) << "the same bytes are still recognised";
    EXPECT_EQ((**known)[0].kind, "failure");
  }
}

TEST_P(FailureReportStoreTest, WithheldInTheBatchThatAcceptsIt) {
  const std::string large(3'000'000, 'y');
  CommitBatch batch;
  batch.accepted.push_back(Accept(large));
  batch.accepted[0].receipt.id = 5;
  batch.processed.push_back(ProcessFailure(5, MakeFailureReport(kDomain, kTestDay, "doc")));
  batch.processed[0].withhold_raw = true;
  MustCommit(std::move(batch));
  EXPECT_EQ(writer().ReadRaw(Sha256(large)).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(List(), SizeIs(1));
}

INSTANTIATE_TEST_SUITE_P(All, FailureReportStoreTest, testing::ValuesIn(kBothStores),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace dmarcate
