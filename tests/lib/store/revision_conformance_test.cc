// Revisions: of reports of one identity one counts, whatever came first.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/store/report_rules.h"
#include "tests/lib/store/report_store_suite.h"

namespace dmarcate {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

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

}  // namespace
}  // namespace dmarcate
