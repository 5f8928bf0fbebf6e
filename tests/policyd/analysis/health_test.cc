#include "policyd/analysis/health.h"

#include "gtest/gtest.h"

#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::kDomain;
using analysis_testing::Report;
using analysis_testing::Row;

constexpr DayNumber kDay = 20'000;
const DayRange kBefore{kDay - 30, kDay - 1}, kAfter{kDay, kDay + 29};

DomainStatistics Statistics(const DayRange& range, std::vector<AggregateRecord> rows) {
  StatisticsBuilder builder(kDomain, range, Catalogue::Default());
  builder.Add(Report(range.first, std::move(rows)));
  return builder.Finish();
}

std::string Compare(std::vector<AggregateRecord> before, std::vector<AggregateRecord> after) {
  std::string out;
  for (const SourceChange& change : CompareSources(Statistics(kBefore, std::move(before)),
                                                   Statistics(kAfter, std::move(after)))) {
    out +=
        std::string(out.empty() ? "" : " ") + change.id + ":" + std::string(ToString(change.news));
  }
  return out;
}

AggregateRecord Passing(uint64_t count) {
  return Row(count).Dkim("example.com").Dkim("sendgrid.net");
}
AggregateRecord Failing(uint64_t count) { return Row(count).Dkim("sendgrid.net"); }

TEST(Health, RatesCarryTheirBounds) {
  const Rate rate = RateOf(9, 10);
  EXPECT_NEAR(rate.lower, 1 - 0.4450161, 1e-6);
  EXPECT_NEAR(rate.upper, 1 - 0.002528579, 1e-6);
  EXPECT_EQ(RateOf(0, 0), (Rate{0, 0, 0, 1})) << "nothing is known without mail";
}

TEST(CompareSources, ANewSourceIsToldFromTheFirstMessageOn) {
  EXPECT_EQ(Compare({}, {Failing(1)}), "sendgrid:new");
}

TEST(CompareSources, SilenceIsToldWhereItIsNoChance) {
  EXPECT_EQ(Compare({Failing(500)}, {}), "sendgrid:vanished");
  EXPECT_EQ(Compare({Failing(6)}, {}), "sendgrid:vanished");
  EXPECT_EQ(Compare({Failing(3)}, {}), "") << "three messages a month may well be none";
}

TEST(CompareSources, ARateThatFellIsWorse) {
  EXPECT_EQ(Compare({Passing(100)}, {Passing(50), Failing(50)}), "sendgrid:worse");
  EXPECT_EQ(Compare({Passing(50), Failing(50)}, {Passing(100)}), "sendgrid:better");
  EXPECT_EQ(Compare({Passing(4)}, {Passing(3), Failing(1)}), "") << "one of four is no evidence";
  EXPECT_EQ(Compare({Passing(100)}, {Passing(99), Failing(1)}), "");
}

TEST(CompareSources, VolumeIsToldWhereItDoubles) {
  EXPECT_EQ(Compare({Passing(100)}, {Passing(300)}), "sendgrid:more");
  EXPECT_EQ(Compare({Passing(300)}, {Passing(100)}), "sendgrid:less");
  EXPECT_EQ(Compare({Passing(100)}, {Passing(180)}), "");
  EXPECT_EQ(Compare({Passing(2)}, {Passing(5)}), "") << "chance";
}

TEST(CompareSources, TheGravestComesFirst) {
  EXPECT_EQ(Compare({Passing(400), Row(900).Dkim("mcsv.net")},
                    {Failing(100), Row(5).From("198.51.100.9")}),
            "sendgrid:worse mailchimp:vanished ip-198-51-100-9:new sendgrid:less");
}

TEST(CompareSources, NoStrangerMakesASourceLookWorse) {
  const auto gather = [](const DayRange& range, std::vector<AggregateRecord> claims) {
    StatisticsBuilder builder(kDomain, range, Catalogue::Default());
    builder.Add(Report(range.first, {Passing(100)}));
    builder.Add(
        Report(range.first, std::move(claims), "stranger.test", TrustClass::kAuthenticated));
    return builder.Finish();
  };
  const auto changes = CompareSources(
      gather(kBefore, {}), gather(kAfter, {Failing(1'000'000), Row(50).From("198.51.100.9")}));
  ASSERT_EQ(changes.size(), 1u) << "neither worse nor more";
  EXPECT_EQ(changes[0].id, "ip-198-51-100-9");
  EXPECT_TRUE(changes[0].claimed);
  EXPECT_TRUE(changes[0].sentence.ends_with("; only reporters that are no anchors say so"))
      << changes[0].sentence;
}

TEST(CompareSources, SaysItWithNumbers) {
  const auto changes = CompareSources(Statistics(kBefore, {Passing(100)}),
                                      Statistics(kAfter, {Passing(50), Failing(50)}));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].sentence,
            "Twilio SendGrid passes less often: 50 of 100 messages (95 %: 39.8 to 60.2 %), after "
            "100 of 100 (96.4 to 100.0 %)");
}

}  // namespace
}  // namespace dmarcate
