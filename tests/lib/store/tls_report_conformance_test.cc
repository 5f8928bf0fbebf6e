// What every report store promises of TLS reports, run on the fake and on RocksDB with a follower.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/store/tls_codec.h"
#include "tests/lib/store/both_stores.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kDomain[] = "example.com";
constexpr DayNumber kLast = kTestDay + 100;

class TlsReportStoreTest : public testing::TestWithParam<StoreParam> {
 protected:
  ReportWriter& writer() { return store_->writer(); }
  ReportReader& reader() {
    EXPECT_TRUE(store_->reader().CatchUp().ok());
    return store_->reader();
  }
  ReceiptId MustAccept() {
    CommitBatch batch;
    batch.accepted.push_back(Accept("raw " + std::to_string(++raw_)));
    const auto result = writer().Commit(std::move(batch), Sync::kYes);
    EXPECT_TRUE(result.ok()) << result.status();
    return result->accepted.at(0);
  }
  std::vector<ReceiptItem> MustProcess(ReceiptId receipt, std::vector<StoredTlsReport> reports) {
    CommitBatch batch;
    batch.processed.push_back(ProcessTls(receipt, std::move(reports)));
    auto result = writer().Commit(std::move(batch), Sync::kYes);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->processed.at(0) : std::vector<ReceiptItem>(1);
  }
  ReceiptItem MustStore(StoredTlsReport report) {
    return MustProcess(MustAccept(), {std::move(report)}).at(0);
  }
  // Of those that count, in the order of their days.
  std::vector<uint64_t> Failed(std::string_view domain = kDomain, DayNumber first = 0,
                               DayNumber last = kLast) {
    std::vector<uint64_t> failed;
    const absl::Status status =
        reader().ForEachTlsReport(domain, first, last, [&](const StoredTlsReport& report) {
          failed.push_back(report.failed_sessions);
          return true;
        });
    EXPECT_TRUE(status.ok()) << status;
    return failed;
  }

 private:
  std::unique_ptr<Store> store_ = GetParam().make();
  int raw_ = 0;
};

TEST_P(TlsReportStoreTest, GivesBackAllOfAReport) {
  StoredTlsReport report = MakeTlsReport(kDomain, kTestDay, "id", "doc", 5, 2);
  report.outcome = Outcome::kAcceptedMaterial;
  report.repairs = {{"count_invalid", "policies[1]", "-1", "0", true}};
  report.report.policies[0].policy_strings = {"version: STSv1", "mx: mx.example.com"};
  report.report.policies[0].failures = {{"certificate-expired", "192.0.2.1", "mx.example.com",
                                         "helo", "192.0.2.9", "https://example.net", "X509", 2}};
  const ReceiptItem item = MustStore(report);
  EXPECT_EQ(item.outcome, Outcome::kAcceptedMaterial);
  const auto key = ReportKey::FromId(item.domain, item.report_name);
  ASSERT_TRUE(key.has_value());
  const auto got = reader().GetTlsReport(*key);
  ASSERT_TRUE(got.ok()) << got.status();
  report.key = *key;
  EXPECT_EQ(EncodeTlsReport(*got), EncodeTlsReport(report));
  EXPECT_EQ(got->policy_count, 1);
  EXPECT_EQ(got->detail_count, 1);
  EXPECT_EQ(got->repair_count, 1);
  EXPECT_EQ(got->successful_sessions, 5u);
  EXPECT_EQ(got->failed_sessions, 2u);
  ReportKey other = *key;
  other.item = 7;
  EXPECT_EQ(reader().GetTlsReport(other).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(reader().GetReport(*key).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(TlsReportStoreTest, SameDocumentIsADuplicateAndLendsItsTrust) {
  StoredTlsReport report = MakeTlsReport(kDomain, kTestDay, "id", "doc", 5, 2);
  report.trust = TrustClass::kUnverified;
  report.reason = TrustReason::kNotAligned;
  const ReceiptItem first = MustStore(report);
  report.trust = TrustClass::kAuthenticated;
  report.reason = TrustReason::kNone;
  report.reporter_key = "other.example";
  const ReceiptItem second = MustStore(report);
  EXPECT_EQ(second.outcome, Outcome::kDuplicate);
  EXPECT_EQ(second.report_name, first.report_name);
  EXPECT_EQ(second.reason, "trust_raised");
  const auto key = ReportKey::FromId(kDomain, first.report_name);
  EXPECT_TRUE(reader().ReadRawOf(key->receipt).ok());
  for (int i = 0; i < 2; ++i) {
    const auto page = reader().ListTlsReports(kDomain, 0, kLast, std::nullopt, 10);
    ASSERT_THAT(page->reports, SizeIs(1));
    EXPECT_EQ(page->reports[0].trust, TrustClass::kAuthenticated);
    EXPECT_EQ(page->reports[0].reason, TrustReason::kNone);
    EXPECT_EQ(page->reports[0].reporter_key, "other.example");
    EXPECT_THAT(Failed(), ElementsAre(2));
    // Reading the first again takes away nothing of that.
    StoredTlsReport again = MakeTlsReport(kDomain, kTestDay, "id", "doc", 5, 2);
    again.reason = TrustReason::kHandedIn;
    MustProcess(1, {again});
  }
}

// Where another revision counts, a copy of this one changes nothing of that.
TEST_P(TlsReportStoreTest, ThatTrustWasRaisedIsNotSaidOfWhatStillDoesNotCount) {
  StoredTlsReport better = MakeTlsReport(kDomain, kTestDay, "id", "better", 5, 2);
  better.trust = TrustClass::kAuthenticated;
  MustStore(better);
  StoredTlsReport worse = MakeTlsReport(kDomain, kTestDay, "id", "worse", 5, 7);
  worse.trust = TrustClass::kUnverified;
  MustStore(worse);
  worse.trust = TrustClass::kImported;
  const ReceiptItem copy = MustStore(worse);
  EXPECT_EQ(copy.outcome, Outcome::kDuplicate);
  EXPECT_EQ(copy.reason, "");
  EXPECT_THAT(Failed(), ElementsAre(2));
}

TEST_P(TlsReportStoreTest, RevisionsAreBothKeptAndTheLaterOrMoreTrustedCounts) {
  MustStore(MakeTlsReport(kDomain, kTestDay, "id", "first", 5, 2));
  MustStore(MakeTlsReport(kDomain, kTestDay, "id", "second", 5, 3));
  EXPECT_THAT(Failed(), ElementsAre(3));
  StoredTlsReport stranger = MakeTlsReport(kDomain, kTestDay, "id", "third", 5, 1000);
  stranger.trust = TrustClass::kUnverified;
  EXPECT_EQ(MustStore(stranger).outcome, Outcome::kAccepted);
  EXPECT_THAT(Failed(), ElementsAre(3));
  EXPECT_THAT(reader().ListTlsReports(kDomain, 0, kLast, std::nullopt, 10)->reports, SizeIs(3));
  // Another interval, reporter or domain is another report.
  StoredTlsReport interval = MakeTlsReport(kDomain, kTestDay, "id", "fourth", 5, 8);
  interval.report.end += 1;
  MustStore(interval);
  MustStore(MakeTlsReport("example.net", kTestDay, "id", "fifth", 5, 9));
  EXPECT_THAT(Failed(), ElementsAre(3, 8));
  EXPECT_THAT(Failed("example.net"), ElementsAre(9));
}

TEST_P(TlsReportStoreTest, ReadingAReceiptAgainReplaces) {
  MustStore(MakeTlsReport(kDomain, kTestDay, "id", "first", 5, 2));
  const ReceiptId receipt = MustAccept();
  MustProcess(receipt, {MakeTlsReport(kDomain, kTestDay, "id", "second", 5, 3),
                        MakeTlsReport("example.net", kTestDay, "id", "share", 5, 4)});
  EXPECT_THAT(Failed(), ElementsAre(3));
  MustProcess(receipt, {MakeTlsReport(kDomain, kTestDay, "id", "second", 6, 7)});
  EXPECT_THAT(Failed(), ElementsAre(7));
  EXPECT_THAT(Failed("example.net"), IsEmpty());
  CommitBatch batch;
  batch.processed.push_back(ProcessUnreadable(receipt, Outcome::kQuarantined, "json"));
  ASSERT_TRUE(writer().Commit(std::move(batch), Sync::kYes).ok());
  EXPECT_THAT(Failed(), ElementsAre(2)) << "the revision before counts again";
  EXPECT_EQ(MustStore(MakeTlsReport(kDomain, kTestDay, "id", "second", 5, 3)).outcome,
            Outcome::kAccepted)
      << "its document is forgotten with it";
}

TEST_P(TlsReportStoreTest, ListsNewestDayFirstInPages) {
  for (int i = 0; i < 5; ++i) {
    MustStore(MakeTlsReport(kDomain, kTestDay + i, "id", std::to_string(i), 1, i));
  }
  std::vector<uint64_t> failed;
  std::optional<ReportKey> from;
  do {
    const auto page = reader().ListTlsReports(kDomain, kTestDay + 1, kTestDay + 4, from, 3);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const StoredTlsReport& report : page->reports) {
      failed.push_back(report.failed_sessions);
      EXPECT_THAT(report.report.policies, IsEmpty());
      EXPECT_EQ(report.policy_count, 1);
    }
    from = page->next;
  } while (from);
  EXPECT_THAT(failed, ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(Failed(kDomain, kTestDay + 3, kTestDay + 3), ElementsAre(3));
  EXPECT_THAT(Failed(kDomain, kTestDay + 3, kTestDay), IsEmpty());
  EXPECT_THAT(reader().ListTlsReports(kDomain, 5, 4, std::nullopt, 3)->reports, IsEmpty());
}

// A stranger may send ten thousand empty policies in a few bytes.
TEST_P(TlsReportStoreTest, AListKeepsNoMemoryOfWhatItLeavesOut) {
  StoredTlsReport report = MakeTlsReport(kDomain, kTestDay, "id", "doc", 5, 2);
  report.report.policies.resize(10'000, report.report.policies[0]);
  report.repairs.resize(100);
  MustStore(report);
  const auto page = reader().ListTlsReports(kDomain, 0, kLast, std::nullopt, 10);
  ASSERT_THAT(page->reports, SizeIs(1));
  const StoredTlsReport& head = page->reports[0];
  EXPECT_EQ(head.policy_count, 10'000);
  EXPECT_EQ(head.failed_sessions, 20'000u);
  EXPECT_EQ(head.repair_count, 100);
  EXPECT_EQ(head.report.policies.capacity(), 0u);
  EXPECT_EQ(head.repairs.capacity(), 0u);
  EXPECT_EQ(reader().GetTlsReport(head.key)->report.policies.size(), 10'000u);
}

TEST_P(TlsReportStoreTest, RefusesWhatDoesNotFit) {
  const ReceiptId receipt = MustAccept();
  const auto refused = [&](auto spoil) {
    CommitBatch batch;
    batch.processed.push_back(
        ProcessTls(receipt, {MakeTlsReport(kDomain, kTestDay, "id", "doc", 1, 1)}));
    spoil(batch.processed[0].items[0]);
    return writer().Commit(std::move(batch), Sync::kYes).status().code() ==
           absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](ProcessedItem& item) { item.tls->key.receipt += 1; }));
  EXPECT_TRUE(refused([](ProcessedItem& item) { item.tls->key.domain.clear(); }));
  EXPECT_TRUE(refused([](ProcessedItem& item) { item.tls->key.day = -1; }));
  EXPECT_TRUE(refused([](ProcessedItem& item) { item.tls->document_sha256 = "short"; }));
  EXPECT_TRUE(refused([](ProcessedItem& item) { item.item.kind = kAggregateKind; }));
  EXPECT_TRUE(refused([](ProcessedItem& item) {
    item.report = MakeReport(kDomain, kTestDay, "id", "doc", {1});
    item.report->key = item.tls->key;
  }));
}

INSTANTIATE_TEST_SUITE_P(All, TlsReportStoreTest, testing::ValuesIn(kBothStores),
                         [](const auto& each) { return each.param.name; });

// Random commits: RocksDB and the fake tell the same, also after the writer has read a receipt
// again.
TEST(TlsReportModel, RocksDbSaysWhatTheFakeSays) {
  std::mt19937_64 random(7);
  FakeStore fake;
  RocksStore rocks;
  for (ReceiptId receipt = 1; receipt <= 150; ++receipt) {
    CommitBatch batch;
    batch.accepted.push_back(Accept(std::to_string(receipt)));
    const auto draw = [&random] {
      std::vector<StoredTlsReport> reports;
      for (uint64_t i = random() % 3; i > 0; --i) reports.push_back(RandomTlsReport(random));
      return reports;
    };
    batch.processed.push_back(ProcessTls(receipt, draw()));
    if (random() % 4 == 0) {
      batch.processed.push_back(ProcessTls(1 + random() % receipt, draw()));
    }
    for (Store* store : {static_cast<Store*>(&fake), static_cast<Store*>(&rocks)}) {
      const auto result = store->writer().Commit(batch, Sync::kNo);
      ASSERT_TRUE(result.ok()) << result.status();
    }
  }
  ASSERT_TRUE(fake.reader().CatchUp().ok());
  ASSERT_TRUE(rocks.reader().CatchUp().ok());
  const auto said = Dump(rocks.reader());
  ASSERT_TRUE(said.ok()) << said.status();
  EXPECT_EQ(*said, *Dump(fake.reader()));
  EXPECT_GT(said->size(), 5000u);
}

}  // namespace
}  // namespace dmarcate
