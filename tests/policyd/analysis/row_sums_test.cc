// What is summed from the compact rows of days is what StatisticsBuilder and WhatIfBuilder make of
// the reports themselves: for random reports, ranges, pages and suppositions.

#include "policyd/analysis/row_sums.h"

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <tuple>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/mailauth/public_suffix_list.h"
#include "policyd/analysis/day_rows_builder.h"
#include "policyd/analysis/regroup.h"
#include "tests/policyd/analysis/row_compare.h"
#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::CompareBreakdowns;
using analysis_testing::ComparePages;
using analysis_testing::CompareSeries;
using analysis_testing::CompareWhatIf;
using analysis_testing::kDomain;
using analysis_testing::RandomGroupings;
using analysis_testing::RandomReport;
using analysis_testing::RandomRow;
using analysis_testing::RandomSupposition;
using analysis_testing::Report;
using analysis_testing::Row;

constexpr DayNumber kDay = 20'000;

const PublicSuffixList& Suffixes() {
  static const PublicSuffixList& list = *BuiltinPublicSuffixList().release();
  return list;
}

// The reports of one domain, as they are and as DayRows.
class Days {
 public:
  explicit Days(const NetworkEvidence* network = nullptr) : network_(network) {}

  void Add(StoredReport report) {
    report.key.receipt = ++receipt_;
    reports_.emplace(report.key, std::move(report));
  }
  void Group(const std::vector<SourceGrouping>& rules) { regrouping_ = Regrouping(rules); }
  void Build(std::mt19937* cuts = nullptr) { EXPECT_TRUE(TryBuild(cuts)); }
  // `cuts`: days come in parts, some of which are joined.
  bool TryBuild(std::mt19937* cuts = nullptr) {
    const Attributor attribute = [this](const AggregateRecord& record) {
      Attribution out = Attribute(record, kDomain, Catalogue::Default(), network_);
      Regroup(record, Catalogue::Default(), &regrouping_, &out);
      return out;
    };
    days_.clear();
    std::set<DayNumber> numbers;
    for (const auto& [key, report] : reports_) numbers.insert(key.day);
    for (const auto& [day, totals] : expired_) numbers.insert(day);
    auto it = reports_.begin();
    for (const DayNumber day : numbers) {
      std::optional<DayRowsBuilder> builder;
      const auto begin = [&] { builder.emplace(kDomain, day, attribute, Suffixes(), &names_); };
      begin();
      std::vector<DayRows>& parts = days_[day];
      for (; it != reports_.end() && it->first.day == day; ++it) {
        if (cuts != nullptr && (*cuts)() % 2 == 0) {
          parts.push_back(builder->Finish());
          begin();
        }
        if (!builder->Add(it->second)) return false;
      }
      if (const auto gone = expired_.find(day); gone != expired_.end()) {
        builder->AddExpired(gone->second);
      }
      parts.push_back(builder->Finish());
      while (parts.size() > 1 && (*cuts)() % 3 != 0) {
        const size_t at = (*cuts)() % (parts.size() - 1);
        parts[at] = JoinDayRows(parts[at], parts[at + 1], &names_);
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
      }
    }
    return true;
  }
  void Expired(const DayTotals& totals) { expired_[totals.day] = totals; }

  RowDays In(const DayRange& range) const {
    RowDays rows{kDomain, range, names_, Catalogue::Default(), {}};
    for (const auto& [day, parts] : days_) {
      if (day < range.first || day > range.last) continue;
      for (const DayRows& part : parts) rows.days.push_back(&part);
    }
    return rows;
  }
  DomainStatistics Statistics(const DayRange& range, std::string_view source = {}) const {
    StatisticsBuilder builder(kDomain, range, Catalogue::Default(), source, network_, &regrouping_);
    for (const auto& [key, report] : reports_) builder.Add(report);
    for (const auto& [day, totals] : expired_) builder.AddExpired(totals);
    return builder.Finish();
  }
  WhatIfResult Suppose(const DayRange& range, const WhatIf& what_if) const {
    WhatIfBuilder builder(kDomain, range, Catalogue::Default(), Suffixes(), what_if, network_,
                          &regrouping_);
    for (const auto& [key, report] : reports_) builder.Add(report);
    return builder.Finish();
  }

 private:
  const NetworkEvidence* const network_;
  Regrouping regrouping_;
  ReceiptId receipt_ = 0;
  std::map<ReportKey, StoredReport> reports_;
  std::map<DayNumber, DayTotals> expired_;
  RowNames names_;
  std::map<DayNumber, std::vector<DayRows>> days_;  // in parts
};

TEST(RowSums, EqualTheRowsForRandomReports) {
  std::mt19937 random(20261130);
  NetworkEvidence network;
  network.AddRange(*IpNetwork::Parse("198.51.100.0/28"), "sendgrid");
  network.AddConfirmedName(*IpAddress::Parse("203.0.113.7"), "o1.mailgun.net");
  size_t sources = 0, grouped = 0, anchored = 0, unbelieved = 0;
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE(round);
    Days days(round % 2 == 0 ? nullptr : &network);
    for (int i = 0; i < 40; ++i) {
      StoredReport report = RandomReport(random, kDay + static_cast<DayNumber>(random() % 12));
      // Some domains nobody reports who can be believed.
      if (round % 4 == 0) report.trust = TrustClass::kAuthenticated;
      days.Add(std::move(report));
    }
    if (round % 3 == 0) {
      days.Expired({.day = kDay + static_cast<DayNumber>(random() % 12),
                    .reports = 3,
                    .records = 5,
                    .messages = 77,
                    .dmarc_pass = 7});
    }
    if (round % 5 < 3) {
      const auto rules = RandomGroupings(random, days.Statistics({kDay, kDay + 12}));
      grouped += rules.size();
      days.Group(rules);
    }
    days.Build(round % 7 < 3 ? &random : nullptr);
    const DayNumber first = kDay + static_cast<DayNumber>(random() % 12);
    const DayRange range{first, first + static_cast<DayNumber>(random() % 8)};
    const RowDays rows = days.In(range);
    const DomainStatistics want = days.Statistics(range);
    sources += want.sources.size();
    for (const SourceStatistics& source : want.sources) {
      anchored += source.anchors.size();
      unbelieved += source.believed.messages == 0;
    }
    ASSERT_NO_FATAL_FAILURE(ComparePages(rows, want, random));
    ASSERT_NO_FATAL_FAILURE(CompareSeries(rows, "", want));
    for (const SourceStatistics& source : want.sources) {
      ASSERT_NO_FATAL_FAILURE(CompareSeries(rows, source.id, days.Statistics(range, source.id)));
    }
    ASSERT_NO_FATAL_FAILURE(CompareBreakdowns(rows, want));
    const WhatIf what_if = RandomSupposition(random, want);
    ASSERT_NO_FATAL_FAILURE(CompareWhatIf(rows, what_if, days.Suppose(range, what_if)));
  }
  fmt::print("300 rounds, {} sources ({} unbelieved), {} groupings, {} anchors: all equal\n",
             sources, unbelieved, grouped, anchored);
  EXPECT_GT(sources, 2000u);
  EXPECT_GT(grouped, 500u);
  EXPECT_GT(anchored, 1000u);
  EXPECT_GT(unbelieved, 500u);
}

// Where a day was cut, and in which order its parts were joined, nobody can tell.
TEST(DayRowsBuilder, JoinedPartsAreWhatTheWholeDayIs) {
  std::mt19937 random(20261130);
  size_t joined = 0, large = 0, spread = 0;
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE(round);
    const Attributor attribute = [](const AggregateRecord& record) {
      return Attribute(record, kDomain, Catalogue::Default());
    };
    RowNames names;
    const auto begin = [&] {
      return std::make_unique<DayRowsBuilder>(kDomain, kDay, attribute, Suffixes(), &names);
    };
    const auto whole = begin();
    auto part = begin();
    std::vector<DayRows> parts;
    for (ReceiptId receipt = 1; receipt <= 12; ++receipt) {
      StoredReport report = RandomReport(random, kDay);
      report.key.receipt = receipt;
      report.key.item = static_cast<uint16_t>(random() % 3);
      if (random() % 4 == 0 && !report.report.records.empty()) {
        report.report.records.front().count = uint64_t{1} << (20 + random() % 44);
      }
      if (random() % 3 == 0) {
        parts.push_back(part->Finish());
        part = begin();
      }
      ASSERT_TRUE(part->Add(report));
      ASSERT_TRUE(whole->Add(report));
    }
    const DayTotals gone{.day = kDay, .reports = 2, .messages = 9};
    if (round % 3 == 0) {
      part->AddExpired(gone);
      whole->AddExpired(gone);
    }
    parts.push_back(part->Finish());
    const DayRows want = whole->Finish();
    while (parts.size() > 1) {
      const size_t at = random() % (parts.size() - 1);
      parts[at] = JoinDayRows(parts[at], parts[at + 1], &names);
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
      ++joined;
    }
    const DayRows& got = parts.front();
    EXPECT_EQ(got.day, want.day);
    EXPECT_EQ(got.reports, want.reports);
    EXPECT_EQ(got.last_receipt, want.last_receipt);
    EXPECT_EQ(got.last_item, want.last_item);
    EXPECT_EQ(got.counts, want.counts);
    EXPECT_TRUE(got.sources == want.sources);
    EXPECT_TRUE(got.cells == want.cells);
    EXPECT_TRUE(got.sums == want.sums);
    EXPECT_TRUE(got.anchors == want.anchors);
    EXPECT_EQ(got.addresses, want.addresses);
    EXPECT_EQ(got.large, want.large);
    EXPECT_TRUE(got.spread == want.spread);
    ASSERT_EQ(got.expired != nullptr, want.expired != nullptr);
    if (want.expired) {
      EXPECT_EQ(*got.expired, *want.expired);
    }
    ASSERT_FALSE(testing::Test::HasFailure());
    large += want.large.size();
    spread += want.spread.size();
  }
  EXPECT_GT(joined, 500u);
  EXPECT_GT(large, 200u);
  EXPECT_GT(spread, 200u);
}

TEST(RowSums, ASourceThatIsNotThereHasASeriesOfNothing) {
  Days days;
  days.Add(Report(kDay, {Row(5).Spf("other.test")}));
  days.Build();
  const DayRange range{kDay, kDay + 1};
  const auto series = SumSeries(days.In(range), "sendgrid");
  ASSERT_TRUE(series.has_value());
  EXPECT_FALSE(series->known);
  EXPECT_EQ(series->days.size(), 2u);
  const auto page =
      ListSources(days.In(range), {.limit = 5, .ask = {"sendgrid", "spf-other.test"}});
  EXPECT_THAT(page->silent, testing::ElementsAre("sendgrid"));
}

// Which sources have a place of their own is decided by the order in which they come.
TEST(RowSums, SourcesBeyondTheBoundShareOne) {
  std::mt19937 random(1);
  Days days;
  for (int day = 0; day < 3; ++day) {
    for (int report = 0; report < 2; ++report) {
      std::vector<AggregateRecord> rows;
      for (uint32_t i = 0; i < 4000; ++i) {
        rows.push_back(Row(1 + random() % 3));
        rows.back().source_ip =
            IpAddress::FromV4(0x0b000000 + static_cast<uint32_t>(random() % 30'000));
      }
      days.Add(Report(kDay + day, std::move(rows), report == 0 ? "a" : "b"));
    }
  }
  days.Add(Report(kDay + 2, {Row(9).Spf("late.test"), Row(4).Dkim("example.com", "s9")}));
  days.Build();
  const DayRange range{kDay, kDay + 2};
  const DomainStatistics want = days.Statistics(range);
  ASSERT_EQ(want.sources.size(), kMaxSources + 1);
  ASSERT_NO_FATAL_FAILURE(ComparePages(days.In(range), want, random));
  ASSERT_NO_FATAL_FAILURE(CompareBreakdowns(days.In(range), want));
  EXPECT_FALSE(SumSeries(days.In(range), kOverflowSourceId).has_value());
  const auto late = SumSeries(days.In(range), "spf-late.test");
  ASSERT_TRUE(late.has_value());
  EXPECT_FALSE(late->known);
  const WhatIf what_if{.policy = {.p = DmarcPolicy::kReject},
                       .treatments = {{"spf-late.test", Treatment::kSigned}}};
  ASSERT_NO_FATAL_FAILURE(CompareWhatIf(days.In(range), what_if, days.Suppose(range, what_if)));
}

TEST(RowSums, ManyReportersAreAllNamed) {
  std::mt19937 random(1);
  Days days;
  for (int reporter = 0; reporter < 150; ++reporter) {
    days.Add(Report(kDay + reporter % 3, {Row(5).Spf("other.test"), RandomRow(random)},
                    fmt::format("reporter {}", reporter * 7 % 150)));
  }
  days.Build();
  const DayRange range{kDay, kDay + 2};
  ASSERT_NO_FATAL_FAILURE(ComparePages(days.In(range), days.Statistics(range), random));
  ASSERT_NO_FATAL_FAILURE(CompareBreakdowns(days.In(range), days.Statistics(range)));
}

// Which anchors have counts of their own is decided by the order in which they come, too.
TEST(RowSums, TheFirstAnchorsAreKept) {
  std::mt19937 random(2);
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(round);
    Days days;
    for (int report = 0; report < 120; ++report) {
      std::vector<AggregateRecord> rows = {RandomRow(random)};
      if (random() % 2 == 0) rows.push_back(Row(1 + random() % 9).Dkim("sendgrid.net", "s1"));
      if (random() % 2 == 0) rows.push_back(Row(5).Dkim("example.com", "k1"));
      days.Add(Report(kDay + static_cast<DayNumber>(random() % 4), std::move(rows),
                      fmt::format("anchor {}", random() % 25),
                      random() % 4 == 0 ? TrustClass::kAuthenticated : TrustClass::kAnchored));
    }
    days.Build(round % 2 == 0 ? &random : nullptr);
    const DayRange range{kDay + round % 2, kDay + 3};
    const DomainStatistics want = days.Statistics(range);
    const SourceStatistics* sendgrid = want.FindSource("sendgrid");
    ASSERT_NE(sendgrid, nullptr);
    EXPECT_EQ(sendgrid->anchors.size(), kMaxAnchorsKept);
    ASSERT_NO_FATAL_FAILURE(ComparePages(days.In(range), want, random));
  }
}

// As Statistics.InventedSourcesPushNobodyOut; and who is named by both has all of its rows
// together.
TEST(RowSums, InventedSourcesPushNobodyOut) {
  std::mt19937 random(1);
  Days days;
  std::vector<AggregateRecord> invented;
  for (uint32_t i = 0; i < kMaxSources; ++i) {
    invented.push_back(Row(2));
    invented.back().source_ip = IpAddress::FromV4(0x0b000000 + i);
  }
  days.Add(Report(kDay, std::move(invented), "stranger", TrustClass::kAuthenticated));
  days.Add(Report(kDay + 1, {Row(9).Spf("real.test"), Row(5).Dkim("sendgrid.net")}));
  days.Build();
  const DayRange range{kDay, kDay + 1};
  const DomainStatistics want = days.Statistics(range);
  ASSERT_EQ(want.sources.size(), kMaxClaimedSources + 3);
  EXPECT_NE(want.FindSource("spf-real.test"), nullptr);
  ASSERT_NO_FATAL_FAILURE(ComparePages(days.In(range), want, random));
  const WhatIf what_if{.policy = {.p = DmarcPolicy::kReject},
                       .treatments = {{"spf-real.test", Treatment::kSigned}}};
  ASSERT_NO_FATAL_FAILURE(CompareWhatIf(days.In(range), what_if, days.Suppose(range, what_if)));
}

// Nothing is concluded of what stands for many, and whose voices would be kept nobody could say.
TEST(RowSums, TheRestHasNoAnchors) {
  std::mt19937 random(1);
  Days days;
  std::vector<AggregateRecord> rows;
  for (uint32_t i = 0; i < kMaxSources; ++i) {
    rows.push_back(Row(2));
    rows.back().source_ip = IpAddress::FromV4(0x0b000000 + i);
  }
  days.Add(Report(kDay, std::move(rows)));
  for (size_t anchor = 0; anchor < kMaxAnchorsKept + 5; ++anchor) {
    days.Add(Report(kDay, {Row(9).Spf("late.test"), Row(5).Spf("later.test")},
                    fmt::format("anchor {}", anchor), TrustClass::kAnchored));
  }
  days.Build();
  const DayRange range{kDay, kDay};
  const DomainStatistics want = days.Statistics(range);
  ASSERT_EQ(want.sources.at(0).id, kOverflowSourceId);
  EXPECT_TRUE(want.sources.at(0).anchors.empty());
  ASSERT_NO_FATAL_FAILURE(ComparePages(days.In(range), want, random));
}

TEST(RowSums, ASourceThatIsCalledAsTheRestIsNotSummed) {
  Days days;
  days.Add(Report(kDay, {Row(5).Spf("other.test")}));
  days.Group({{.from = "spf-other.test", .into = std::string(kOverflowSourceId)}});
  EXPECT_FALSE(days.TryBuild());
}

TEST(RowSums, CountsStopAtTheLargestNumber) {
  constexpr uint64_t kHuge = uint64_t{1} << 62;
  std::mt19937 random(1);
  Days days;
  for (const char* by : {"a", "b", "c"}) {
    days.Add(Report(kDay, {Row(kHuge).Spf("other.test"), Row(UINT64_MAX).Dkim("example.com", "s")},
                    by, *by == 'c' ? TrustClass::kImported : TrustClass::kAnchored));
  }
  days.Build();
  const DayRange range{kDay, kDay};
  const DomainStatistics want = days.Statistics(range);
  ASSERT_NO_FATAL_FAILURE(ComparePages(days.In(range), want, random));
  ASSERT_NO_FATAL_FAILURE(CompareSeries(days.In(range), "", want));
  const WhatIf what_if{.policy = {.p = DmarcPolicy::kReject}};
  ASSERT_NO_FATAL_FAILURE(CompareWhatIf(days.In(range), what_if, days.Suppose(range, what_if)));
}

TEST(RowSums, GiveUpWhereAddressesWouldBeLeftOut) {
  Days days;
  for (int day = 0; day < 2; ++day) {
    std::vector<AggregateRecord> rows;
    for (uint32_t i = 0; i < 260'000; ++i) {
      rows.push_back(Row(1).Spf("other.test"));
      rows.back().source_ip = IpAddress::FromV4(0x0b000000 + i);
    }
    days.Add(Report(kDay + day, std::move(rows)));
  }
  days.Build();
  EXPECT_FALSE(ListSources(days.In({kDay, kDay + 1}), {.limit = 1}).has_value());
  EXPECT_TRUE(ListSources(days.In({kDay, kDay}), {.limit = 1}).has_value());
}

}  // namespace
}  // namespace dmarcate
