// What readers see of reports (report_store.h), on the fake and on RocksDB with a follower.

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/store/day_revisions.h"
#include "tests/lib/store/report_store_suite.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

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
