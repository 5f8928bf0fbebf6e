#include "policyd/alert/decide.h"

#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1'782'820'800);

InsightRecord Insight(Severity severity = Severity::kWarning, const std::string& id = "i") {
  InsightRecord out;
  out.id = id;
  out.code = "SPF_TOO_WIDE";
  out.severity = severity;
  out.message = "m";
  out.first_seen = out.last_seen = kStart;
  return out;
}

// Insights of one domain over time, and what was told of them.
class DecideTest : public testing::Test {
 protected:
  // What is told now: "fired i".
  std::vector<std::string> Tick(absl::Duration later = absl::ZeroDuration()) {
    now_ += later;
    std::vector<InsightRecord> insights;
    for (const auto& [id, insight] : insights_) insights.push_back(insight);
    Telling telling = DecideAlerts("example.com", insights, told_, now_);
    std::vector<std::string> out;
    for (const AlertRecord& alert : telling.alerts) {
      const char* const event = alert.event == AlertEvent::kFired   ? "fired "
                                : alert.event == AlertEvent::kWorse ? "worse "
                                                                    : "cleared ";
      out.push_back(event + alert.insight);
      last_ = alert;
    }
    for (const auto& [domain, insight] : telling.forget) told_.erase(insight);
    for (const ToldRecord& told : telling.told) told_[told.insight] = told;
    return out;
  }
  void Resolve(const std::string& id = "i") {
    insights_[id].state = InsightState::kResolved;
    insights_[id].resolve_time = now_;
  }
  void Activate(const std::string& id = "i") {
    insights_[id].state = InsightState::kActive;
    insights_[id].resolve_time = absl::InfiniteFuture();
  }

  absl::Time now_ = kStart;
  std::map<std::string, InsightRecord> insights_ = {{"i", Insight()}};
  std::map<std::string, ToldRecord> told_;
  AlertRecord last_;
};

TEST_F(DecideTest, IsToldOnceWhenItHasSettledAndOnceWhenItIsGone) {
  EXPECT_THAT(Tick(), IsEmpty()) << "it may be gone in a minute";
  EXPECT_THAT(Tick(absl::Minutes(9)), IsEmpty());
  EXPECT_THAT(Tick(absl::Minutes(1)), ElementsAre("fired i"));
  for (int i = 0; i < 10; ++i) EXPECT_THAT(Tick(absl::Hours(3)), IsEmpty());
  Resolve();
  EXPECT_THAT(Tick(absl::Minutes(59)), IsEmpty());
  EXPECT_THAT(Tick(absl::Minutes(1)), ElementsAre("cleared i"));
  EXPECT_EQ(last_.since, now_ - absl::Hours(1));
  for (int i = 0; i < 10; ++i) EXPECT_THAT(Tick(absl::Hours(3)), IsEmpty());
}

TEST_F(DecideTest, AnErrorIsToldAtOnce) {
  insights_["i"].severity = Severity::kError;
  EXPECT_THAT(Tick(), ElementsAre("fired i"));
}

TEST_F(DecideTest, WhatIsGoneBeforeItHasSettledIsNotTold) {
  EXPECT_THAT(Tick(), IsEmpty());
  Resolve();
  EXPECT_THAT(Tick(absl::Minutes(5)), IsEmpty());
  Activate();
  EXPECT_THAT(Tick(absl::Minutes(1)), IsEmpty());
  EXPECT_THAT(Tick(absl::Minutes(9)), IsEmpty()) << "it counts from its coming back";
  EXPECT_THAT(Tick(absl::Minutes(1)), ElementsAre("fired i"));
}

TEST_F(DecideTest, WhatComesBackWithinTheHourWasNeverGone) {
  Tick();
  EXPECT_THAT(Tick(absl::Minutes(10)), ElementsAre("fired i"));
  for (int i = 0; i < 5; ++i) {
    Resolve();
    EXPECT_THAT(Tick(absl::Minutes(50)), IsEmpty());
    Activate();
    EXPECT_THAT(Tick(absl::Minutes(50)), IsEmpty());
  }
}

TEST_F(DecideTest, WhatComesAndGoesIsToldThreeTimesADay) {
  insights_["i"].severity = Severity::kError;
  int fired = 0, cleared = 0;
  for (int i = 0; i < 10; ++i) {
    for (const std::string& told : Tick(absl::Minutes(1))) fired += told == "fired i" ? 1 : 0;
    Resolve();
    for (const std::string& told : Tick(absl::Hours(1))) cleared += told == "cleared i" ? 1 : 0;
    Activate();
  }
  EXPECT_EQ(fired, 3);
  EXPECT_EQ(cleared, 3) << "nobody is told that something is gone of which he was not told";
  EXPECT_THAT(Tick(absl::Hours(24)), ElementsAre("fired i"));
  EXPECT_THAT(last_.message, HasSubstr("it came and went 7 more times"));
}

TEST_F(DecideTest, AGreaterSeverityIsToldOnceMore) {
  Tick();
  EXPECT_THAT(Tick(absl::Minutes(10)), ElementsAre("fired i"));
  insights_["i"].severity = Severity::kError;
  EXPECT_THAT(Tick(), ElementsAre("worse i"));
  insights_["i"].severity = Severity::kInfo;
  EXPECT_THAT(Tick(), IsEmpty());
  insights_["i"].severity = Severity::kError;
  EXPECT_THAT(Tick(), IsEmpty()) << "that it was so is known";
  Resolve();
  EXPECT_THAT(Tick(absl::Hours(2)), ElementsAre("cleared i"));
  EXPECT_EQ(last_.severity, Severity::kError) << "who was told of the worst is told of the end";
}

TEST_F(DecideTest, WhatAPersonHasDecidedAboutIsNotTold) {
  for (const InsightState state : {InsightState::kAccepted, InsightState::kDismissed}) {
    insights_["i"].state = state;
    EXPECT_THAT(Tick(absl::Hours(1)), IsEmpty());
  }
  Activate();
  Tick();
  EXPECT_THAT(Tick(absl::Minutes(10)), ElementsAre("fired i")) << "it has become worse";
}

TEST_F(DecideTest, TheEndOfWhatWasDismissedIsNoNews) {
  Tick();
  EXPECT_THAT(Tick(absl::Minutes(10)), ElementsAre("fired i"));
  insights_["i"].state = insights_["i"].decision = InsightState::kDismissed;
  insights_["i"].decide_time = now_;
  EXPECT_THAT(Tick(), IsEmpty());
  Resolve();
  EXPECT_THAT(Tick(absl::Hours(5)), IsEmpty());
  EXPECT_THAT(Tick(absl::Hours(25)), IsEmpty());
  EXPECT_THAT(told_, IsEmpty()) << "nothing is remembered for ever";
}

TEST_F(DecideTest, WhatWasAcceptedAndGetsWorseIsToldAgain) {
  Tick();
  EXPECT_THAT(Tick(absl::Minutes(10)), ElementsAre("fired i"));
  for (int i = 0; i < 2; ++i) {
    insights_["i"].state = InsightState::kAccepted;
    EXPECT_THAT(Tick(absl::Hours(1)), IsEmpty());
    Activate();
    EXPECT_THAT(Tick(absl::Hours(1)), ElementsAre("worse i")) << "its severity is the same";
    EXPECT_THAT(Tick(absl::Hours(1)), IsEmpty());
  }
  insights_["i"].state = InsightState::kAccepted;
  Tick();
  Activate();
  EXPECT_THAT(Tick(), IsEmpty()) << "three times a day";
  EXPECT_THAT(Tick(absl::Hours(24)), ElementsAre("worse i"));
  Resolve();
  EXPECT_THAT(Tick(absl::Hours(1)), ElementsAre("cleared i"));
}

TEST_F(DecideTest, AClockThatIsSetBackDelaysNothing) {
  constexpr absl::Duration kYear = absl::Hours(24 * 365);
  now_ += kYear;
  Tick();
  EXPECT_THAT(Tick(-kYear), IsEmpty());
  EXPECT_THAT(Tick(absl::Minutes(10)), ElementsAre("fired i")) << "it has settled";
  now_ += kYear;
  Resolve();
  EXPECT_THAT(Tick(-kYear), ElementsAre("cleared i"));
  // Three times a day, and the day lies ahead.
  now_ += kYear;
  insights_["i"].severity = Severity::kError;
  for (int i = 0; i < 3; ++i) {
    Activate();
    Tick(absl::Minutes(1));
    Resolve();
    Tick(absl::Hours(1));
  }
  Activate();
  EXPECT_THAT(Tick(-kYear), IsEmpty());
  EXPECT_THAT(Tick(absl::Hours(24)), ElementsAre("fired i"));
}

TEST_F(DecideTest, WhatIsForgottenIsNotToldToBeGone) {
  Tick();
  Tick(absl::Minutes(10));
  insights_.clear();
  EXPECT_THAT(Tick(absl::Hours(5)), IsEmpty());
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(DecideTest, TheSameTickAgainTellsNothing) {
  insights_["i"].severity = Severity::kError;
  EXPECT_THAT(Tick(), ElementsAre("fired i"));
  EXPECT_THAT(Tick(), IsEmpty());
}

TEST(Wants, BySeverityDomainCodeAndEvent) {
  AlertRecord alert;
  alert.domain = "example.com";
  alert.code = "SPF_TOO_WIDE";
  AlertChannelRecord channel;
  EXPECT_TRUE(Wants(channel, alert));
  channel.min_severity = Severity::kError;
  EXPECT_FALSE(Wants(channel, alert));
  channel = {};
  channel.domains = {"example.net"};
  EXPECT_FALSE(Wants(channel, alert));
  channel.domains = {"example.net", "example.com"};
  EXPECT_TRUE(Wants(channel, alert));
  channel.codes = {"SPF_DANGLING"};
  EXPECT_FALSE(Wants(channel, alert));
  channel = {};
  channel.cleared = false;
  alert.event = AlertEvent::kCleared;
  EXPECT_FALSE(Wants(channel, alert));
}

TEST(Backoff, DoublesUpToAnHour) {
  EXPECT_EQ(BackoffAfter(1), absl::Seconds(30));
  EXPECT_EQ(BackoffAfter(2), absl::Minutes(1));
  EXPECT_EQ(BackoffAfter(7), absl::Minutes(32));
  EXPECT_EQ(BackoffAfter(8), absl::Hours(1));
  EXPECT_EQ(BackoffAfter(4'000'000'000), absl::Hours(1));
}

}  // namespace
}  // namespace dmarcate
