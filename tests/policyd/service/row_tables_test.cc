// Compact rows that are kept say what the reports in the store say, whatever happens to those:
// reports that come late, again or corrected, trust that is lent, expiry, purges, a new opening.

#include "policyd/service/row_tables.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/rocks_report_store.h"
#include "policyd/analysis/regroup.h"
#include "policyd/service/analysis_cache.h"
#include "policyd/service/analysis_queries.h"
#include "tests/lib/store/store_testing.h"
#include "tests/policyd/analysis/row_compare.h"

namespace dmarcate {
namespace {

using analysis_testing::CompareBreakdowns;
using analysis_testing::ComparePages;
using analysis_testing::CompareSeries;
using analysis_testing::CompareWhatIf;
using analysis_testing::kDomain;
using analysis_testing::RandomGroupings;
using analysis_testing::RandomSupposition;

constexpr DayNumber kDay = 20'000;
constexpr int kDays = 10;

const PublicSuffixList& Suffixes() {
  static const PublicSuffixList& list = *BuiltinPublicSuffixList().release();
  return list;
}

class RowTablesTest : public testing::Test {
 protected:
  RowTablesTest() {
    Open();
    reader_ = *RocksReportReader::Follow(directory_.path("reports"), directory_.path("follower"),
                                         absl::Seconds(10));
  }
  void Open() {
    writer_.reset();
    writer_ = *RocksReportWriter::Open(directory_.path("reports"));
  }

  StoredReport Random() {
    StoredReport report =
        analysis_testing::RandomReport(random_, kDay + static_cast<DayNumber>(random_() % kDays));
    // Few identities and documents, so that they come again and contradict each other.
    report.report.metadata.report_id = fmt::format("{}", random_() % 30);
    report.document_sha256 = Sha256(fmt::format("{}", ++documents_));
    return report;
  }
  ReceiptId Accept() {
    CommitBatch batch;
    batch.accepted.push_back(dmarcate::Accept(fmt::format("raw {}", ++raws_)));
    batch.accepted[0].receipt.received_time = StartOfDay(kDay) + absl::Hours(raws_);
    return writer_->Commit(std::move(batch), Sync::kNo)->accepted.at(0);
  }
  void Give(ReceiptId receipt, std::vector<StoredReport> reports) {
    CommitBatch batch;
    batch.processed.push_back(Process(receipt, std::move(reports)));
    for (ProcessedItem& item : batch.processed[0].items) {
      if (item.report->trust == TrustClass::kQuarantined) {
        item.item.outcome = Outcome::kQuarantined;
      }
    }
    const auto result = writer_->Commit(std::move(batch), Sync::kNo);
    ASSERT_TRUE(result.ok()) << result.status();
  }
  // With a row of `count` messages.
  StoredReport One(DayNumber day, int64_t count) {
    StoredReport report = Random();
    report.key.day = day;
    report.trust = TrustClass::kImported;
    report.report.metadata.report_id = fmt::format("one {}", documents_);
    report.report.metadata.begin = int64_t{day} * 86400;
    report.report.metadata.end = report.report.metadata.begin + 3600;
    AggregateRecord row = analysis_testing::RandomRow(random_);
    row.count = static_cast<uint64_t>(count);
    report.report.records = {std::move(row)};
    return report;
  }
  void GiveOne(DayNumber day, int64_t count) { Give(Accept(), {One(day, count)}); }
  void Freshen() {
    tables_.Freshen(Call({"follower"}, absl::Now() + absl::Seconds(20)), store(),
                    [this](std::string_view) { return attribution_; });
  }
  int64_t MessagesIn(const DayRange& range) {
    int64_t messages = -1;
    EXPECT_TRUE(Use(range, [&](const RowDays& rows) {
      int64_t of_days = 0;
      const std::optional<SourceSeries> series = SumSeries(rows, "");
      ASSERT_TRUE(series.has_value());
      for (const DayStats& day : series->days) of_days += day.counts.messages;
      messages = ListSources(rows, {.limit = 3})->statistics.total.messages;
      EXPECT_EQ(of_days, messages);
    }));
    return messages;
  }
  void Change();
  void Compare();
  RowStore store() { return {*reader_, *reader_}; }
  bool Use(const DayRange& range, const std::function<void(const RowDays&)>& use) {
    const Call call({"ann"}, absl::InfiniteFuture());
    const auto used = tables_.Use(call, store(), kDomain, range, attribution_, use);
    EXPECT_TRUE(used.ok()) << used.status();
    return used.ok() && *used;
  }
  template <typename Builder>
  void Read(const DayRange& range, Builder& builder) {
    ASSERT_TRUE(reader_
                    ->ForEachReport(kDomain, range.first, range.last,
                                    [&builder](const StoredReport& report) {
                                      builder.Add(report);
                                      return true;
                                    })
                    .ok());
  }
  DomainStatistics Statistics(const DayRange& range, std::string_view source = {}) {
    StatisticsBuilder builder(kDomain, range, Catalogue::Default(), source, &network_,
                              &regrouping_);
    Read(range, builder);
    const auto expired = reader_->ReadExpiredTotals(kDomain, range.first, range.last);
    EXPECT_TRUE(expired.ok()) << expired.status();
    for (const DayTotals& day : *expired) builder.AddExpired(day);
    return builder.Finish();
  }

  std::mt19937 random_{20261130};
  int documents_ = 0, raws_ = 0;
  std::vector<std::pair<ReceiptId, std::vector<StoredReport>>> given_;
  NetworkEvidence network_;
  Regrouping regrouping_;
  RowAttribution attribution_{.version = {1}, .attribute = [this](const AggregateRecord& record) {
                                Attribution out =
                                    Attribute(record, kDomain, Catalogue::Default(), &network_);
                                Regroup(record, Catalogue::Default(), &regrouping_, &out);
                                return out;
                              }};
  const TempDir directory_;
  std::unique_ptr<RocksReportWriter> writer_;
  std::unique_ptr<RocksReportReader> reader_;
  RowTables tables_{Catalogue::Default(), Suffixes()};
};

// One of all that may happen to reports.
void RowTablesTest::Change() {
  const auto any_given = [this]() -> auto& { return given_[random_() % given_.size()]; };
  const uint32_t what = given_.empty() ? 0 : static_cast<uint32_t>(random_() % 20);
  if (what < 12) {
    std::vector<StoredReport> reports;
    for (uint32_t n = 1 + random_() % 3; n > 0; --n) reports.push_back(Random());
    given_.emplace_back(Accept(), reports);
    Give(given_.back().first, std::move(reports));
  } else if (what < 14) {  // a copy that comes with other trust
    StoredReport copy = any_given().second.front();
    copy.trust = TrustClass::kAnchored;
    Give(Accept(), {std::move(copy)});
  } else if (what < 16) {  // read again, and something else comes of it
    auto& [receipt, reports] = any_given();
    if (reports.size() > 1 && random_() % 2 == 0) reports.pop_back();
    reports.front() = Random();
    Give(receipt, reports);
  } else if (what < 17) {
    const auto& [receipt, reports] = any_given();
    CommitBatch batch;
    ReportKey key = reports.front().key;
    key.receipt = receipt;
    key.item = 0;
    batch.released.push_back({key, {}});
    ASSERT_TRUE(writer_->Commit(std::move(batch), Sync::kNo).ok());
  } else if (what < 18) {
    PurgeTarget target;
    target.address = IpAddress::FromV4(0xcb007100u + static_cast<uint32_t>(random_() % 40));
    ASSERT_TRUE(
        writer_->Purge(target, PurgeMode::kRemove, [](const PurgeResult&) { return true; }).ok());
  } else if (what < 19) {
    ExpiryCutoffs cutoffs;
    cutoffs.rows = StartOfDay(kDay) + absl::Hours(raws_ - 60);
    ASSERT_TRUE(writer_->Expire(cutoffs, 1000).ok());
    std::erase_if(given_, [this](const auto& one) { return !writer_->GetReceipt(one.first).ok(); });
  } else if (random_() % 4 == 0) {
    Open();
  }
}

void RowTablesTest::Compare() {
  const DayNumber first = kDay + static_cast<DayNumber>(random_() % kDays);
  const DayRange range{first, first + static_cast<DayNumber>(random_() % kDays)};
  const DomainStatistics want = Statistics(range);
  ASSERT_TRUE(Use(range, [&](const RowDays& rows) {
    ComparePages(rows, want, random_);
    CompareSeries(rows, "", want);
    CompareBreakdowns(rows, want);
    if (!want.sources.empty()) {
      const std::string& source = want.sources[random_() % want.sources.size()].id;
      CompareSeries(rows, source, Statistics(range, source));
    }
    const WhatIf what_if = RandomSupposition(random_, want);
    WhatIfBuilder builder(kDomain, range, Catalogue::Default(), Suffixes(), what_if, &network_,
                          &regrouping_);
    Read(range, builder);
    CompareWhatIf(rows, what_if, builder.Finish());
  }));
}

TEST_F(RowTablesTest, EqualTheStoreWhateverHappensToIt) {
  int changes = 0;
  for (int round = 0; round < 400 && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    for (uint32_t n = random_() % 4; n > 0; --n, ++changes) {
      ASSERT_NO_FATAL_FAILURE(Change());
    }
    ASSERT_TRUE(reader_->CatchUp().ok());
    if (round % 50 == 49) {  // what attribution goes by changes, too
      network_.AddConfirmedName(IpAddress::FromV4(0xcb007100u + static_cast<uint32_t>(round) / 50),
                                "o1.mailgun.net");
      regrouping_ = Regrouping(RandomGroupings(random_, Statistics({kDay, kDay + kDays - 1})));
      attribution_.version = {static_cast<uint64_t>(round)};
    }
    ASSERT_NO_FATAL_FAILURE(Compare());
  }
  fmt::print("{} changes, {} days made, {} extended: all equal\n", changes, tables_.days_built(),
             tables_.days_extended());
  EXPECT_GT(tables_.days_extended(), 100u);
  EXPECT_LT(tables_.days_built(), 400u * kDays / 2) << "days are made anew that have not changed";
}

TEST_F(RowTablesTest, OnlyDaysThatHaveChangedAreMadeAnew) {
  for (int day = 0; day < kDays; ++day) {
    StoredReport report = Random();
    report.key.day = kDay + day;
    report.trust = TrustClass::kImported;
    Give(Accept(), {std::move(report)});
  }
  const DayRange all{kDay, kDay + kDays - 1};
  const auto nothing = [](const RowDays&) {};
  ASSERT_TRUE(reader_->CatchUp().ok());
  ASSERT_TRUE(Use(all, nothing));
  EXPECT_EQ(tables_.days_built(), 10u);
  ASSERT_TRUE(Use({kDay + 2, kDay + 4}, nothing));
  EXPECT_EQ(tables_.days_built(), 10u);
  StoredReport late = Random();
  late.key.day = kDay + 3;
  late.report.metadata.report_id = "late";
  late.trust = TrustClass::kImported;
  Give(Accept(), {std::move(late)});
  ASSERT_TRUE(Use(all, nothing));
  EXPECT_EQ(tables_.days_built(), 10u) << "not seen yet";
  ASSERT_TRUE(reader_->CatchUp().ok());
  ASSERT_TRUE(Use(all, nothing));
  EXPECT_EQ(tables_.days_built(), 10u);
  EXPECT_EQ(tables_.days_extended(), 1u) << "by what was new alone";
  StoredReport first = Random();
  first.key.day = kDay + 3;
  Give(1, {std::move(first)});
  ASSERT_TRUE(reader_->CatchUp().ok());
  ASSERT_TRUE(Use(all, nothing));
  EXPECT_EQ(tables_.days_built(), 11u) << "not behind the others";
  attribution_.version = {2};
  ASSERT_TRUE(Use(all, nothing));
  EXPECT_GT(tables_.days_built(), 19u);
}

TEST_F(RowTablesTest, WhoAsksAfterFresheningFindsAllDone) {
  for (int day = 0; day < kDays; ++day) GiveOne(kDay + day, 10);
  const DayRange all{kDay, kDay + kDays - 1};
  ASSERT_TRUE(reader_->CatchUp().ok());
  Freshen();
  EXPECT_EQ(tables_.days_built(), 0u) << "nobody has asked";
  ASSERT_EQ(MessagesIn(all), 10 * kDays);
  for (int day = 0; day < kDays; ++day) GiveOne(kDay + day, 1);
  ASSERT_TRUE(reader_->CatchUp().ok());
  Freshen();
  EXPECT_EQ(tables_.days_extended(), 10u);
  EXPECT_EQ(MessagesIn(all), 11 * kDays);
  EXPECT_EQ(MessagesIn({kDay + 1, kDay + 3}), 33);
  EXPECT_EQ(tables_.days_extended(), 10u) << "nothing was left to be done";
  EXPECT_EQ(tables_.days_built(), 10u);
  // What nobody asks for any more is left alone, and is right when somebody does.
  for (uint64_t i = 0; i < kFreshenedFor; ++i) Freshen();
  GiveOne(kDay, 1);
  ASSERT_TRUE(reader_->CatchUp().ok());
  Freshen();
  EXPECT_EQ(tables_.days_extended(), 10u);
  EXPECT_EQ(MessagesIn(all), 11 * kDays + 1);
  EXPECT_EQ(tables_.days_extended(), 11u);
}

// While it works others see all of what was before, or all of what is now, and never go back.
TEST_F(RowTablesTest, FreshenIsSeenAsAWhole) {
  const DayRange all{kDay, kDay + kDays - 1};
  std::mutex mutex;
  std::set<int64_t> states;  // the messages of each
  int64_t messages = 1000 * kDays;
  for (int day = 0; day < kDays; ++day) GiveOne(kDay + day, 1000);
  states.insert(messages);
  ASSERT_TRUE(reader_->CatchUp().ok());
  ASSERT_EQ(MessagesIn(all), messages);
  int64_t first = 1000;
  std::atomic<bool> stop = false;
  std::atomic<int> asked = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      int64_t last = 0;
      while (!stop) {
        const int64_t seen = MessagesIn(all);
        const std::lock_guard lock(mutex);
        EXPECT_TRUE(states.contains(seen)) << seen;
        EXPECT_GE(seen, last);
        last = seen;
        ++asked;
      }
    });
  }
  for (int round = 0; round < 60; ++round) {
    for (int day = 0; day < kDays; ++day) {
      const int64_t count = 1 + static_cast<int64_t>(random_() % 100);
      GiveOne(kDay + day, count);
      messages += count;
    }
    if (round % 20 == 19) {  // the first one was read again, and says more
      messages += 500;
      Give(1, {One(kDay, first += 500)});
    }
    {
      const std::lock_guard lock(mutex);
      states.insert(messages);
    }
    ASSERT_TRUE(reader_->CatchUp().ok());
    Freshen();
    const int before = asked;
    while (asked < before + 3 && !HasFailure()) std::this_thread::yield();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(MessagesIn(all), messages);
  EXPECT_GT(tables_.days_extended(), 500u);
}

TEST_F(RowTablesTest, TheLeastUsedGoesBeyondTheBound) {
  for (int i = 0; i < 20; ++i) Give(Accept(), {Random()});
  ASSERT_TRUE(reader_->CatchUp().ok());
  const DayRange all{kDay, kDay + kDays - 1};
  ASSERT_TRUE(Use(all, [](const RowDays&) {}));
  const size_t one = tables_.bytes();
  ASSERT_GT(one, 0u);
  RowTables small(Catalogue::Default(), Suffixes(), one + one / 2);
  const Call call({"ann"}, absl::InfiniteFuture());
  const auto ask = [&](std::string_view domain) {
    const auto used = small.Use(call, store(), domain, all, attribution_, [](const RowDays&) {});
    EXPECT_TRUE(used.ok() && *used);
  };
  ask(kDomain);
  const uint64_t built = small.days_built();
  for (int i = 0; i < 200; ++i) ask(fmt::format("empty{}.example", i));
  EXPECT_LE(small.bytes(), one + one / 2);
  ask(kDomain);
  EXPECT_EQ(small.days_built(), 2 * built) << "it had to go";
  RowTables tiny(Catalogue::Default(), Suffixes(), 1000);
  const auto used = tiny.Use(call, store(), kDomain, all, attribution_, [](const RowDays&) {});
  EXPECT_TRUE(used.ok() && *used) << "answered, and not kept";
  EXPECT_EQ(tiny.bytes(), 0u);
}

}  // namespace
}  // namespace dmarcate
