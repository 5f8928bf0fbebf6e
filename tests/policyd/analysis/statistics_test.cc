#include "policyd/analysis/statistics.h"

#include <algorithm>
#include <limits>
#include <random>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::kDomain;
using analysis_testing::Report;
using analysis_testing::Row;

constexpr DayNumber kDay = 20'000;
constexpr DayRange kWeek{kDay, kDay + 6};

DomainStatistics Gather(const std::vector<StoredReport>& reports, DayRange range = kWeek,
                        std::string_view series_of = {}) {
  StatisticsBuilder builder(kDomain, range, Catalogue::Default(), series_of);
  for (const StoredReport& report : reports) builder.Add(report);
  return builder.Finish();
}

// Every sum that has to be the total is the total.
void ExpectExact(const DomainStatistics& got) {
  Counts sources, days, reporters, addresses, headers, dispositions, trust;
  for (const SourceStatistics& source : got.sources) {
    sources.Add(source.counts);
    Counts of_source, of_trust;
    for (const AddressStats& address : source.addresses) of_source.Add(address.counts);
    for (const Counts& slice : source.by_trust) of_trust.Add(slice);
    EXPECT_EQ(of_source, source.counts) << source.id;
    EXPECT_EQ(of_trust, source.counts) << source.id;
  }
  for (const DayStats& day : got.days) days.Add(day.counts);
  for (const BreakdownEntry& entry : got.by_reporter) reporters.Add(entry.counts);
  for (const BreakdownEntry& entry : got.by_address) addresses.Add(entry.counts);
  for (const BreakdownEntry& entry : got.by_header_from) headers.Add(entry.counts);
  for (const BreakdownEntry& entry : got.by_disposition) dispositions.Add(entry.counts);
  for (const Counts& slice : got.by_trust) trust.Add(slice);
  for (const Counts* sum :
       {&sources, &days, &reporters, &addresses, &headers, &dispositions, &trust}) {
    EXPECT_EQ(*sum, got.total);
  }
}

TEST(Statistics, CountsMessagesByAllThatHappenedToThem) {
  const DomainStatistics got = Gather(
      {Report(kDay, {Row(5).Dkim("example.com", "a").Spf("example.com"),
                     Row(3).Dkim("example.com", "a").Spf("bounce.test").Then(Disposition::kPass),
                     Row(2).Spf("example.com"),
                     Row(4).From("198.51.100.9").Dkim("evil.test").Then(Disposition::kReject),
                     Row(1).From("198.51.100.9").Then(Disposition::kQuarantine),
                     Row(6).From("198.51.100.9").Then(Disposition::kUnspecified)})});
  EXPECT_EQ(got.total.messages, 21);
  EXPECT_EQ(got.total.dmarc_pass, 10);
  EXPECT_EQ(got.total.dkim_aligned, 8);
  EXPECT_EQ(got.total.spf_aligned, 7);
  EXPECT_EQ(got.total.both_aligned, 5);
  EXPECT_EQ(got.total.dkim_pass, 12);
  EXPECT_EQ(got.total.spf_pass, 10);
  EXPECT_EQ(got.total.disposition_none, 10);
  EXPECT_EQ(got.total.reject, 4);
  EXPECT_EQ(got.total.quarantine, 1);
  EXPECT_EQ(got.total.disposition_unknown, 6);
  ExpectExact(got);
}

TEST(Statistics, SaysWhetherItKeptEverySelector) {
  const auto gather = [](size_t selectors) {
    std::vector<AggregateRecord> rows;
    for (size_t i = 0; i < selectors; ++i) {
      rows.push_back(Row(1).Dkim("example.com", fmt::format("s{:02}", i)));
    }
    return Gather({Report(kDay, rows)});
  };
  EXPECT_EQ(gather(kMaxSelectorsKept).selectors.size(), kMaxSelectorsKept);
  EXPECT_TRUE(gather(kMaxSelectorsKept).selectors_known);
  EXPECT_EQ(gather(kMaxSelectorsKept + 1).selectors.size(), kMaxSelectorsKept);
  EXPECT_FALSE(gather(kMaxSelectorsKept + 1).selectors_known);
}

TEST(Statistics, KnowsTheSelectorsOfAllSignaturesOrSaysThatItDoesNot) {
  const DomainStatistics both =
      Gather({Report(kDay, {Row(1).Dkim("example.com", "rsa").Dkim("example.com", "ed")})});
  EXPECT_EQ(both.selectors, (std::vector<std::string>{"ed", "rsa"}));
  EXPECT_TRUE(both.selectors_known);
  const DomainStatistics unnamed =
      Gather({Report(kDay, {Row(1).Dkim("example.com", "rsa"), Row(1).Dkim("example.com")})});
  EXPECT_EQ(unnamed.selectors, (std::vector<std::string>{"rsa"}));
  EXPECT_FALSE(unnamed.selectors_known);
}

TEST(Statistics, SourcesComeByMessagesAndKnowTheirAddresses) {
  const DomainStatistics got =
      Gather({Report(kDay,
                     {Row(2).From("192.0.2.1").Dkim("sendgrid.net"),
                      Row(7).From("192.0.2.2").Dkim("sendgrid.net")},
                     "a.test"),
              Report(kDay + 3,
                     {Row(1).From("192.0.2.1").Dkim("sendgrid.net"), Row(4).From("198.51.100.1")},
                     "b.test")});
  ASSERT_EQ(got.sources.size(), 2u);
  const SourceStatistics& sendgrid = got.sources[0];
  EXPECT_EQ(sendgrid.id, "sendgrid");
  EXPECT_EQ(sendgrid.kind, SourceKind::kSender);
  EXPECT_EQ(sendgrid.counts.messages, 10);
  EXPECT_EQ(sendgrid.first_day, kDay);
  EXPECT_EQ(sendgrid.last_day, kDay + 3);
  EXPECT_EQ(sendgrid.reporters.size(), 2u);
  ASSERT_EQ(sendgrid.addresses.size(), 2u);
  EXPECT_EQ(sendgrid.addresses[0].address->ToString(), "192.0.2.2");
  EXPECT_EQ(sendgrid.addresses[1].counts.messages, 3);
  EXPECT_EQ(sendgrid.addresses[1].last_day, kDay + 3);
  EXPECT_EQ(got.FindSource("ip-198-51-100-1")->kind, SourceKind::kSuspicious);
  ExpectExact(got);
}

TEST(Statistics, DaysWithoutMailAreThere) {
  const DomainStatistics got = Gather({Report(kDay + 2, {Row(3)}), Report(kDay + 4, {})});
  ASSERT_EQ(got.days.size(), 7u);
  EXPECT_EQ(got.days[0].counts.messages, 0);
  EXPECT_EQ(got.days[2].counts.messages, 3);
  EXPECT_EQ(got.days[2].reports, 1);
  EXPECT_EQ(got.days[4].reports, 1) << "an empty report proves that the reporter is alive";
  EXPECT_EQ(got.last_report_day, kDay + 4);
}

TEST(Statistics, ReportsOutsideTheRangeAreLeftOut) {
  const DomainStatistics got =
      Gather({Report(kDay - 1, {Row(1)}), Report(kDay, {Row(2)}), Report(kDay + 7, {Row(4)})});
  EXPECT_EQ(got.total.messages, 2);
}

TEST(Statistics, UnverifiedAndQuarantinedReportsCountNowhere) {
  const DomainStatistics got = Gather({Report(kDay, {Row(1)}, "a", TrustClass::kUnverified),
                                       Report(kDay, {Row(2)}, "b", TrustClass::kQuarantined),
                                       Report(kDay, {Row(4)}, "c", TrustClass::kAnchored),
                                       Report(kDay, {Row(8)}, "d", TrustClass::kImported)});
  EXPECT_EQ(got.total.messages, 12);
  EXPECT_EQ(got.days[0].reports, 2);
  EXPECT_EQ(got.by_trust[static_cast<size_t>(TrustClass::kAnchored)].messages, 4);
  EXPECT_EQ(got.by_trust[static_cast<size_t>(TrustClass::kImported)].messages, 8);
  ExpectExact(got);
}

TEST(Statistics, TwoReasonsOfOneTypeAreOne) {
  const DomainStatistics got = Gather({Report(kDay, {Row(3)
                                                         .Says(ReasonType::kMailingList)
                                                         .Says(ReasonType::kMailingList)
                                                         .Says(ReasonType::kOther)})});
  const auto& overrides = got.sources[0].overrides;
  EXPECT_EQ(overrides[static_cast<size_t>(ReasonType::kMailingList)], 3);
  EXPECT_EQ(overrides[static_cast<size_t>(ReasonType::kOther)], 3);
}

TEST(Statistics, ARowOfZeroMessagesAddsNothing) {
  const DomainStatistics got = Gather({Report(kDay, {Row(0)})});
  EXPECT_TRUE(got.sources.empty());
  EXPECT_EQ(got.total, Counts());
}

TEST(Statistics, CountsDoNotWrap) {
  const uint64_t most = std::numeric_limits<uint64_t>::max();
  const DomainStatistics got = Gather({Report(kDay, {Row(most), Row(most)})});
  EXPECT_EQ(got.total.messages, std::numeric_limits<int64_t>::max());
}

TEST(Statistics, ALongSpanIsSpreadOverItsDays) {
  StoredReport week = Report(kDay + 3, {Row(10).Dkim("example.com"), Row(4)});
  week.report.metadata.begin = int64_t{kDay} * 86400;
  week.report.metadata.end = int64_t{kDay + 7} * 86400;  // midnight, excluded
  const DomainStatistics got = Gather({week});
  for (const DayStats& day : got.days) {
    EXPECT_EQ(day.counts.messages, 2) << day.day;
    EXPECT_TRUE(day.estimated);
    EXPECT_LE(day.counts.dkim_aligned, day.counts.messages);
  }
  EXPECT_EQ(got.days[3].reports, 1);
  EXPECT_EQ(got.days[2].reports, 0);
  ExpectExact(got);
}

TEST(Statistics, ASpanOf26HoursBelongsToItsMidpoint) {
  StoredReport report = Report(kDay + 1, {Row(9)});
  report.report.metadata.begin = int64_t{kDay + 1} * 86400 - 3600;
  report.report.metadata.end = report.report.metadata.begin + kMaxUnspreadSeconds;
  EXPECT_EQ(Gather({report}).days[1].counts.messages, 9);
  EXPECT_FALSE(Gather({report}).days[1].estimated);
  report.report.metadata.end += 1;
  const DomainStatistics spread = Gather({report});
  EXPECT_TRUE(spread.days[0].estimated);
  ExpectExact(spread);
}

TEST(Statistics, TheSpreadEndsWithTheRange) {
  StoredReport report = Report(kDay, {Row(10)});
  report.report.metadata.begin = int64_t{kDay - 5} * 86400;
  report.report.metadata.end = int64_t{kDay + 5} * 86400;
  const DomainStatistics got = Gather({report}, {kDay, kDay + 1});
  EXPECT_EQ(got.days[0].counts.messages, 5);
  EXPECT_EQ(got.days[1].counts.messages, 5);
  ExpectExact(got);
}

TEST(Statistics, TheSeriesOfOneSource) {
  const std::vector<StoredReport> reports = {Report(kDay, {Row(5).Dkim("sendgrid.net"), Row(2)}),
                                             Report(kDay + 1, {Row(3)}),
                                             Report(kDay + 2, {Row(1).Dkim("sendgrid.net")})};
  const DomainStatistics got = Gather(reports, kWeek, "sendgrid");
  EXPECT_EQ(got.days[0].counts.messages, 5);
  EXPECT_EQ(got.days[0].reports, 1);
  EXPECT_EQ(got.days[1].counts.messages, 0);
  EXPECT_EQ(got.days[1].reports, 0);
  EXPECT_EQ(got.days[2].counts.messages, 1);
  EXPECT_EQ(got.total.messages, 11) << "the total stays the domain's";
}

TEST(Statistics, ASourceKeepsItsStrongestEvidenceInAnyOrder) {
  const StoredReport weak = Report(kDay, {Row(9).Spf("sendgrid.net")});
  const StoredReport strong = Report(kDay + 1, {Row(1).Dkim("em.sendgrid.net")});
  for (const auto& reports : {std::vector{weak, strong}, std::vector{strong, weak}}) {
    const DomainStatistics got = Gather(reports);
    EXPECT_EQ(got.sources[0].rule, Rule::kCatalogueDkim);
    EXPECT_EQ(got.sources[0].value, "em.sendgrid.net");
  }
}

TEST(Statistics, OurSignaturesUnderAForeignEnvelopeTellAForwarder) {
  const StoredReport home = Report(kDay, {Row(50).Dkim("example.com", "s2048").Spf("example.com")});
  const auto kind = [&](const StoredReport& away) {
    return Gather({home, away}).FindSource("spf-relay.test")->kind;
  };
  EXPECT_EQ(kind(Report(kDay, {Row(3).Dkim("example.com", "s2048").Spf("relay.test")})),
            SourceKind::kForwarder)
      << "it relays a signature made at home";
  EXPECT_EQ(kind(Report(kDay, {Row(3).Dkim("example.com", "vendor").Spf("relay.test")})),
            SourceKind::kSender)
      << "it has a key of its own";
  EXPECT_EQ(kind(Report(kDay, {Row(3).Spf("relay.test").Says(ReasonType::kForwarded)})),
            SourceKind::kForwarder)
      << "the reporter says so";
}

// Anybody can send a report: 10,000 senders that it invents take no place from those that believed
// reports name, before it or after.
TEST(Statistics, InventedSourcesPushNobodyOut) {
  std::vector<AggregateRecord> invented;
  for (size_t i = 0; i < kMaxSources; ++i) {
    invented.push_back(Row(1000).Dkim(fmt::format("invented{}.test", i)));
  }
  std::vector<AggregateRecord> real;
  for (size_t i = 0; i < kMaxClaimedSources; ++i) {
    real.push_back(Row(2).Dkim(fmt::format("d{}.test", i)));
  }
  const DomainStatistics got =
      Gather({Report(kDay, {Row(3).Dkim("first.test")}),
              Report(kDay, std::move(invented), "stranger", TrustClass::kAuthenticated),
              Report(kDay, std::move(real))});
  for (size_t i = 0; i + 1 < kMaxClaimedSources; ++i) {
    const SourceStatistics* source = got.FindSource(fmt::format("dkim-d{}.test", i));
    ASSERT_NE(source, nullptr) << i;
    EXPECT_EQ(source->counts.messages, 2);
  }
  EXPECT_EQ(got.FindSource(kOverflowSourceId)->counts.messages,
            static_cast<int64_t>(1000 * (kMaxSources - kMaxClaimedSources) + 2))
      << "nothing is lost";
  ExpectExact(got);
}

TEST(Statistics, NamesInFromAreKeptApartForEachSource) {
  std::vector<AggregateRecord> rows = {Row(5).Dkim("sendgrid.net"), Row(7).Dkim("sendgrid.net"),
                                       Row(1).Spf("other.test")};
  rows[1].header_from = "shop.example.com";
  rows[2].header_from = "shop.example.com";
  for (size_t i = 0; i < kMaxHeaderFromKept; ++i) {
    rows.push_back(Row(1).Spf("other.test"));
    rows.back().header_from = fmt::format("h{}.example.com", i);
  }
  const DomainStatistics got = Gather({Report(kDay, std::move(rows))});
  const std::vector<BreakdownEntry>& sendgrid = got.FindSource("sendgrid")->by_header_from;
  ASSERT_EQ(sendgrid.size(), 2u);
  EXPECT_EQ(sendgrid[0].key, "shop.example.com");
  EXPECT_EQ(sendgrid[0].counts.messages, 7);
  EXPECT_EQ(sendgrid[1].key, "example.com");
  EXPECT_EQ(sendgrid[1].counts.messages, 5);
  const std::vector<BreakdownEntry>& other = got.FindSource("spf-other.test")->by_header_from;
  EXPECT_EQ(other.size(), kMaxHeaderFromKept + 1) << "a stranger invents names";
  EXPECT_EQ(std::ranges::count(other, kOverflowKey, &BreakdownEntry::key), 1);
}

TEST(Statistics, TooManySourcesShareOne) {
  std::vector<AggregateRecord> rows;
  for (size_t i = 0; i < kMaxSources + 50; ++i) {
    rows.push_back(Row(2).Dkim(fmt::format("d{}.test", i)));
  }
  const DomainStatistics got = Gather({Report(kDay, std::move(rows))});
  EXPECT_EQ(got.sources.size(), kMaxSources + 1);
  EXPECT_EQ(got.FindSource(kOverflowSourceId)->counts.messages, 100);
  EXPECT_EQ(got.FindSource(kOverflowSourceId)->rule, Rule::kOverflow);
  ExpectExact(got);
}

TEST(Statistics, TooManyAddressesAreUnnamed) {
  std::vector<AggregateRecord> rows(kMaxAddresses + 20, Row().Dkim("sendgrid.net"));
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].source_ip = IpAddress::FromV4(0x0B000000 + static_cast<uint32_t>(i));
  }
  const DomainStatistics got = Gather({Report(kDay, std::move(rows))});
  EXPECT_EQ(got.sources[0].addresses.size(), kMaxAddresses + 1);
  EXPECT_EQ(got.sources[0].addresses[0].address, std::nullopt);
  EXPECT_EQ(got.sources[0].addresses[0].counts.messages, 20);
  EXPECT_EQ(got.total.messages, static_cast<int64_t>(kMaxAddresses) + 20);
}

TEST(Statistics, TooManyHeaderDomainsShareOne) {
  std::vector<AggregateRecord> rows;
  for (size_t i = 0; i < kMaxKeys + 5; ++i) rows.push_back(Row().Header(fmt::format("h{}", i)));
  const DomainStatistics got = Gather({Report(kDay, std::move(rows))});
  EXPECT_EQ(got.by_header_from[0].key, kOverflowKey);
  EXPECT_EQ(got.by_header_from[0].counts.messages, 5);
  ExpectExact(got);
}

// Rows of all sorts over spans of all lengths: the sums hold.
TEST(Statistics, SumsHoldForRandomReports) {
  std::mt19937 random(7);  // NOLINT: the same rows every time
  const auto below = [&random](uint32_t n) { return static_cast<int>(random() % n); };
  std::vector<StoredReport> reports;
  for (int i = 0; i < 200; ++i) {
    std::vector<AggregateRecord> rows;
    for (int j = below(20); j > 0; --j) {
      Row row(static_cast<uint64_t>(below(1000)));
      AggregateRecord record = std::move(row).From(fmt::format("192.0.2.{}", below(40)));
      if (below(2) == 0) record = Row(record.count).Dkim(fmt::format("d{}.test", below(30)), "x");
      if (below(3) == 0) record.dkim_aligned = AlignedResult::kPass;
      if (below(3) == 0) record.spf_aligned = AlignedResult::kPass;
      record.disposition = static_cast<Disposition>(below(5));
      rows.push_back(std::move(record));
    }
    StoredReport report = Report(kDay + below(7), std::move(rows), fmt::format("r{}", below(9)),
                                 static_cast<TrustClass>(1 + below(3)));
    const int64_t half = below(4 * 86400);
    const int64_t middle = int64_t{report.key.day} * 86400 + 43200;
    report.report.metadata.begin = middle - half;
    report.report.metadata.end = middle + half;
    reports.push_back(std::move(report));
  }
  ExpectExact(Gather(reports));
}

TEST(Statistics, TotalsOfExpiredRowsStandBesideTheSums) {
  StatisticsBuilder builder(kDomain, kWeek, Catalogue::Default());
  builder.Add(Report(kDay, {Row(5).Dkim("example.com", "a")}));
  builder.AddExpired({.day = kDay + 2,
                      .reports = 3,
                      .messages = 50,
                      .dmarc_pass = 40,
                      .dkim_aligned = 30,
                      .spf_aligned = 20,
                      .both_aligned = 10,
                      .disposition_none = 1,
                      .quarantine = 2,
                      .reject = 3,
                      .pass = 4,
                      .disposition_unknown = 40});
  builder.AddExpired({.day = kDay + 6, .messages = std::numeric_limits<uint64_t>::max()});
  builder.AddExpired({.day = kDay + 7, .messages = 7});
  builder.AddExpired({.day = kDay - 1, .messages = 7});
  const DomainStatistics got = builder.Finish();
  ExpectExact(got);
  EXPECT_EQ(got.total.messages, 5);
  const Counts want = {.messages = 50,
                       .dmarc_pass = 40,
                       .dkim_aligned = 30,
                       .spf_aligned = 20,
                       .both_aligned = 10,
                       .dkim_pass = 30,
                       .spf_pass = 20,
                       .disposition_none = 5,
                       .quarantine = 2,
                       .reject = 3,
                       .disposition_unknown = 40};
  EXPECT_EQ(got.days[2].expired, want);
  EXPECT_EQ(got.days[2].expired_reports, 3);
  EXPECT_EQ(got.days[2].counts, Counts());
  EXPECT_EQ(got.expired.messages, std::numeric_limits<int64_t>::max()) << "it does not wrap";
}

}  // namespace
}  // namespace dmarcate
