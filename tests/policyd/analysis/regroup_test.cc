#include "policyd/analysis/regroup.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "policyd/analysis/statistics.h"
#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using absl::StatusCode;
using analysis_testing::kDomain;
using analysis_testing::Report;
using analysis_testing::Row;
using testing::ElementsAre;

constexpr DayNumber kDay = 20'000;

SourceGrouping Merge(const std::string& from, const std::string& into) {
  SourceGrouping out;
  out.from = from;
  out.into = into;
  return out;
}
SourceGrouping Split(const std::string& from, const std::string& into,
                     std::vector<std::string> ranges) {
  SourceGrouping out = Merge(from, into);
  out.ranges = std::move(ranges);
  return out;
}

// "id messages" of each source.
std::vector<std::string> Sources(const std::vector<SourceGrouping>& rules) {
  const Regrouping regrouping(rules);
  StatisticsBuilder builder(kDomain, {kDay, kDay}, Catalogue::Default(), {}, nullptr, &regrouping);
  builder.Add(Report(
      kDay, {Row(40).From("149.72.1.1").Dkim("sendgrid.net"),
             Row(30).From("149.72.9.9").Dkim("sendgrid.net"),
             Row(20).From("198.51.100.1").Dkim("mailer.example"), Row(10).From("198.51.100.2")}));
  const DomainStatistics statistics = builder.Finish();
  int64_t sum = 0;
  std::vector<std::string> out;
  for (const SourceStatistics& source : statistics.sources) {
    out.push_back(source.id + " " + std::to_string(source.counts.messages));
    sum += source.counts.messages;
  }
  EXPECT_EQ(sum, statistics.total.messages) << "sums over sources are sums over rows";
  return out;
}

TEST(Regroup, WithoutRulesNothingChanges) {
  EXPECT_THAT(Sources({}),
              ElementsAre("sendgrid 70", "dkim-mailer.example 20", "ip-198-51-100-2 10"));
}

TEST(Regroup, AMergedSourceCountsAsTheOther) {
  EXPECT_THAT(Sources({Merge("ip-198-51-100-2", "dkim-mailer.example")}),
              ElementsAre("sendgrid 70", "dkim-mailer.example 30"));
  EXPECT_THAT(
      Sources({Merge("dkim-mailer.example", "sendgrid"), Merge("ip-198-51-100-2", "sendgrid")}),
      ElementsAre("sendgrid 100"));
}

TEST(Regroup, ASplitTakesItsAddressesAlone) {
  EXPECT_THAT(
      Sources({Split("sendgrid", "split-shop", {"149.72.9.0/24"})}),
      ElementsAre("sendgrid 40", "split-shop 30", "dkim-mailer.example 20", "ip-198-51-100-2 10"));
}

TEST(Regroup, ASplitMayBeMergedOn) {
  EXPECT_THAT(Sources({Merge("split-shop", "dkim-mailer.example"),
                       Split("sendgrid", "split-shop", {"149.72.9.9"})}),
              ElementsAre("dkim-mailer.example 50", "sendgrid 40", "ip-198-51-100-2 10"));
}

TEST(Regroup, OfASourceThatIsMergedASplitGoesFirst) {
  EXPECT_THAT(Sources({Merge("sendgrid", "dkim-mailer.example"),
                       Split("sendgrid", "split-shop", {"149.72.9.9"})}),
              ElementsAre("dkim-mailer.example 60", "split-shop 30", "ip-198-51-100-2 10"));
}

TEST(Regroup, StoredRulesThatLeadInACircleEnd) {
  const Regrouping circle({Merge("a", "b"), Merge("b", "a")});
  const std::string id = circle.SourceOf("a", std::nullopt);
  EXPECT_TRUE(id == "a" || id == "b");
}

TEST(CheckGrouping, SaysWhatMayJoin) {
  const std::vector<SourceGrouping> rules = {Merge("a", "b"), Split("c", "split-x", {"192.0.2.1"})};
  const auto check = [&rules](const SourceGrouping& rule) {
    return CheckGrouping(rules, rule).code();
  };
  EXPECT_EQ(check(Merge("d", "b")), StatusCode::kOk);
  EXPECT_EQ(check(Merge("b", "d")), StatusCode::kOk) << "then a counts as d, too";
  EXPECT_EQ(check(Merge("split-x", "b")), StatusCode::kOk);
  EXPECT_EQ(check(Split("c", "split-y", {"192.0.2.2"})), StatusCode::kOk);
  EXPECT_EQ(check(Merge("a", "d")), StatusCode::kAlreadyExists);
  EXPECT_EQ(check(Split("d", "split-x", {"192.0.2.2"})), StatusCode::kAlreadyExists);
  EXPECT_EQ(check(Merge("b", "a")), StatusCode::kFailedPrecondition);
  EXPECT_EQ(check(Merge("split-x", "c")), StatusCode::kFailedPrecondition);
  EXPECT_EQ(check(Merge("a", "a")), StatusCode::kInvalidArgument);
  EXPECT_EQ(check(Merge("", "a")), StatusCode::kInvalidArgument);
  EXPECT_EQ(check(Split("c", "split-z", std::vector<std::string>(101, "192.0.2.1"))),
            StatusCode::kInvalidArgument);
}

TEST(CheckGrouping, AsManyMayFollowAfterOneAnotherAsAreFollowed) {
  // Whichever end they are added at: what is stored is applied to its end.
  for (const bool at_the_end : {true, false}) {
    std::vector<SourceGrouping> rules;
    for (size_t i = 0; i < kMaxSourceHops; ++i) {
      const size_t from = at_the_end ? i : kMaxSourceHops - 1 - i;
      const SourceGrouping rule = Merge("s" + std::to_string(from), "s" + std::to_string(from + 1));
      EXPECT_EQ(CheckGrouping(rules, rule).code(), StatusCode::kOk) << i << at_the_end;
      rules.push_back(rule);
    }
    EXPECT_EQ(Regrouping(rules).SourceOf("s0", std::nullopt), "s" + std::to_string(kMaxSourceHops));
    EXPECT_EQ(CheckGrouping(rules, Merge("s" + std::to_string(kMaxSourceHops), "end")).code(),
              StatusCode::kFailedPrecondition);
    EXPECT_EQ(CheckGrouping(rules, Merge("begin", "s0")).code(), StatusCode::kFailedPrecondition);
    EXPECT_EQ(CheckGrouping(rules, Merge("begin", "s1")).code(), StatusCode::kOk);
  }
}

TEST(CheckGrouping, ManyBesideOneAnotherAreNoChain) {
  std::vector<SourceGrouping> rules;
  for (int i = 0; i < 20; ++i) {
    const SourceGrouping rule =
        Split("big", "split-" + std::to_string(i), {"192.0.2." + std::to_string(i)});
    EXPECT_EQ(CheckGrouping(rules, rule).code(), StatusCode::kOk);
    rules.push_back(rule);
  }
  EXPECT_EQ(CheckGrouping(rules, Merge("small", "big")).code(), StatusCode::kOk);
}

}  // namespace
}  // namespace dmarcate
