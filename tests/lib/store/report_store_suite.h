// The fixture of what every report store promises (report_store.h), run on the fake and on RocksDB
// with a follower. One file each for what comes in, for receipts, for trust, for revisions and for
// readers.

#ifndef DMARCATE_TESTS_LIB_STORE_REPORT_STORE_SUITE_H_
#define DMARCATE_TESTS_LIB_STORE_REPORT_STORE_SUITE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/store/report_store.h"
#include "tests/lib/store/both_stores.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {

inline constexpr char kDomain[] = "example.com";

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

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_STORE_REPORT_STORE_SUITE_H_
