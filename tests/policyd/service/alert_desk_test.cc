// The desk over stores in memory and a notifier that keeps what it gets.

#include "policyd/service/alert_desk.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/policyd/service/desk_world.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(DeskTest, TellsEachChannelOnceAndJournalsIt) {
  AddChannel("a");
  AddChannel("b");
  PutInsight();
  Tick();
  Tick(absl::Hours(1));
  EXPECT_THAT(notifier_.sent(), SizeIs(2));
  ASSERT_THAT(Journal(), SizeIs(2));
  for (const DeliveryRecord& delivery : Journal()) {
    EXPECT_EQ(delivery.state, DeliveryState::kDelivered);
    EXPECT_EQ(delivery.attempts, 1u);
  }
}

TEST_F(DeskTest, WhatWasOpenBeforeAChannelWasAddedIsNotTold) {
  PutInsight();
  Tick();
  AddChannel("a");
  Tick(absl::Hours(1));
  EXPECT_THAT(notifier_.sent(), IsEmpty());
}

TEST_F(DeskTest, WhatFailsIsTriedAgainWithTheSameIdAndOneAttemptAChannel) {
  AddChannel("a");
  notifier_.Fail("a", absl::UnavailableError("http 503"));
  PutInsight();
  Tick();
  PutInsight(Severity::kError, InsightState::kResolved);
  Tick(absl::Seconds(10));
  EXPECT_EQ(notifier_.attempts(), 1) << "not before 30 s";
  EXPECT_EQ(Journal()[0].last_error, "http 503");
  Tick(absl::Seconds(20));
  EXPECT_EQ(notifier_.attempts(), 2);
  Tick(absl::Hours(1));  // the end of it is to be told, too
  EXPECT_THAT(Journal(), SizeIs(2));
  EXPECT_EQ(notifier_.attempts(), 3) << "a dead channel costs one attempt, not one a message";
  notifier_.Fail("a", absl::OkStatus());
  const std::string id = Journal()[1].id;
  Tick(absl::Hours(1));
  Tick(absl::Seconds(1));
  ASSERT_THAT(notifier_.sent(), SizeIs(2));
  EXPECT_EQ(notifier_.sent()[0].delivery.id, id) << "in order";
  EXPECT_EQ(notifier_.sent()[1].delivery.alerts[0].event, AlertEvent::kCleared);
}

TEST_F(DeskTest, AfterADayItIsGivenUpAndSaysWhy) {
  AddChannel("a");
  notifier_.Fail("a", absl::UnavailableError("http 503"));
  PutInsight();
  for (int i = 0; i < 30; ++i) Tick(absl::Hours(1));
  ASSERT_THAT(Journal(), SizeIs(1));
  EXPECT_EQ(Journal()[0].state, DeliveryState::kFailed);
  EXPECT_EQ(Journal()[0].last_error, "http 503");
  const int attempts = notifier_.attempts();
  Tick(absl::Hours(5));
  EXPECT_EQ(notifier_.attempts(), attempts);
}

TEST_F(DeskTest, ARestartGoesOnWhereItWas) {
  AddChannel("a");
  notifier_.Fail("a", absl::UnavailableError("http 503"));
  PutInsight();
  Tick();
  const std::string id = Journal()[0].id;
  Start();
  notifier_.Fail("a", absl::OkStatus());
  Tick(absl::Minutes(1));
  ASSERT_THAT(notifier_.sent(), SizeIs(1));
  EXPECT_EQ(notifier_.sent()[0].delivery.id, id);
  Start();
  Tick(absl::Hours(1));
  EXPECT_THAT(notifier_.sent(), SizeIs(1)) << "told once, over three lives";
}

TEST_F(DeskTest, WhatWasSentAndNotJournaledIsSentAgainWithTheSameId) {
  AddChannel("a");
  // Decided and journaled; then the disk fails, after the receiver has taken it.
  notifier_.Fail("a", absl::UnavailableError("later"));
  PutInsight();
  Tick();
  notifier_.Fail("a", absl::OkStatus());
  alerts_.FailUpdates(absl::UnavailableError("disk"));
  Tick(absl::Minutes(1));
  EXPECT_THAT(notifier_.sent(), SizeIs(1));
  for (int i = 0; i < 10; ++i) Tick(absl::Seconds(10));
  EXPECT_THAT(notifier_.sent(), SizeIs(1)) << "not every few seconds";
  alerts_.FailUpdates(absl::OkStatus());
  Tick(absl::Hours(2));
  ASSERT_THAT(notifier_.sent(), SizeIs(2)) << "at least once";
  EXPECT_EQ(notifier_.sent()[0].delivery.id, notifier_.sent()[1].delivery.id);
  EXPECT_EQ(notifier_.sent()[0].delivery.json, notifier_.sent()[1].delivery.json);
  Tick(absl::Hours(2));
  EXPECT_THAT(notifier_.sent(), SizeIs(2));
}

TEST_F(DeskTest, NothingIsSentThatIsNotJournaled) {
  AddChannel("a");
  alerts_.FailUpdates(absl::UnavailableError("disk"));
  PutInsight();
  Tick();
  EXPECT_EQ(notifier_.attempts(), 0);
  alerts_.FailUpdates(absl::OkStatus());
  Tick();
  EXPECT_THAT(notifier_.sent(), SizeIs(1));
}

TEST_F(DeskTest, OfARemovedChannelNothingIsTriedAnyMore) {
  AddChannel("a");
  notifier_.Fail("a", absl::UnavailableError("later"));
  PutInsight();
  Tick();
  ASSERT_TRUE(alerts_.DeleteAlertChannel("a", 1).ok());
  Tick(absl::Minutes(1));
  EXPECT_EQ(Journal()[0].state, DeliveryState::kFailed);
  EXPECT_EQ(Journal()[0].last_error, "the channel was removed");
}

TEST_F(DeskTest, ATestIsSentOnceAndJournaledWhateverBecameOfIt) {
  AddChannel("a");
  auto delivery = desk_->Test(*alerts_.GetAlertChannel("a"));
  ASSERT_TRUE(delivery.ok());
  EXPECT_EQ(delivery->state, DeliveryState::kDelivered);
  notifier_.Fail("a", absl::UnavailableError("no"));
  delivery = desk_->Test(*alerts_.GetAlertChannel("a"));
  ASSERT_TRUE(delivery.ok());
  EXPECT_EQ(delivery->state, DeliveryState::kFailed);
  EXPECT_EQ(delivery->last_error, "no");
  EXPECT_THAT(Journal(), SizeIs(2));
  Tick(absl::Hours(1));
  EXPECT_EQ(notifier_.attempts(), 2);
}

TEST_F(DeskTest, TheDigestComesOnceAWeekToThoseWhoWantIt) {
  options_.digest = DigestTime{1, 7, 0};
  Start();
  AddChannel("a", /*digest=*/true);
  AddChannel("b");
  Tick();
  EXPECT_THAT(notifier_.sent(), IsEmpty()) << "nobody waited for that of last Monday";
  for (int i = 0; i < 24 * 15; ++i) Tick(absl::Hours(1));
  ASSERT_THAT(notifier_.sent(), SizeIs(2));
  EXPECT_EQ(notifier_.sent()[0].channel, "a");
  EXPECT_THAT(notifier_.sent()[0].delivery.text, HasSubstr("2026-06-29 to 2026-07-05"));
  EXPECT_THAT(notifier_.sent()[0].delivery.html, HasSubstr("example.com"));
  EXPECT_THAT(notifier_.sent()[0].delivery.json, HasSubstr(R"("kind":"digest")"));
}

// Each look at it takes half a minute, as if much were done meanwhile; and somebody may do
// something.
class SlowClock final : public Clock {
 public:
  explicit SlowClock(FakeClock& clock) : clock_(clock) {}
  absl::Time Now() const override { return clock_.Now(); }
  absl::Duration Monotonic() const override {
    if (meanwhile) meanwhile();
    clock_.Advance(absl::Seconds(30));
    return clock_.Monotonic();
  }
  std::function<void()> meanwhile;

 private:
  FakeClock& clock_;
};

TEST_F(DeskTest, AlertsDoNotWaitForADigest) {
  for (int i = 0; i < 20; ++i) {
    DomainRecord domain;
    domain.name = "d" + std::to_string(i) + ".test";
    ASSERT_TRUE(policies_.PutDomain(domain).ok());
  }
  options_.digest = DigestTime{1, 7, 0};
  Start();
  AddChannel("a", /*digest=*/true);
  Tick();
  Tick(absl::Hours(24 * 7));
  ASSERT_THAT(notifier_.sent(), SizeIs(1));
  SlowClock slow(clock_);
  desk_ = std::make_unique<AlertDesk>(
      AlertWorld{policies_, insights_, alerts_, analysis_, notifier_, slow}, options_);
  clock_.Advance(absl::Hours(24 * 7));
  // In the middle of making it: the desk has decided already, and looks whether it is to again.
  int looks = 0;
  slow.meanwhile = [&] {
    if (++looks == 4) PutInsight();
  };
  desk_->Tick();
  ASSERT_THAT(notifier_.sent(), SizeIs(3));
  EXPECT_THAT(notifier_.sent()[1].delivery.alerts, SizeIs(1));
  EXPECT_THAT(notifier_.sent()[2].delivery.json, HasSubstr(R"("kind":"digest")"));
}

TEST_F(DeskTest, AClockThatIsSetBackDelaysNothing) {
  AddChannel("a");
  notifier_.Fail("a", absl::UnavailableError("later"));
  PutInsight();
  Tick();
  ASSERT_EQ(notifier_.attempts(), 1);
  notifier_.Fail("a", absl::OkStatus());
  clock_.JumpWallTo(clock_.Now() - absl::Hours(24 * 30));
  Tick(absl::Minutes(2));
  EXPECT_THAT(notifier_.sent(), SizeIs(1));
}

TEST_F(DeskTest, AChannelThatIsDeadForADayHoldsUpNobodyWhenAllIsGivenUp) {
  AddChannel("a");
  notifier_.Fail("a", absl::UnavailableError("http 503"));
  for (int i = 0; i < 10; ++i) {
    PutInsight(Severity::kError, InsightState::kActive, "i" + std::to_string(i));
    Tick(absl::Seconds(1));
  }
  ASSERT_THAT(Journal(), SizeIs(10));
  EXPECT_EQ(notifier_.attempts(), 1);
  Tick(absl::Hours(25));
  EXPECT_EQ(notifier_.attempts(), 2) << "each may take half a minute";
  for (const DeliveryRecord& delivery : Journal()) {
    EXPECT_EQ(delivery.state, DeliveryState::kFailed);
    EXPECT_FALSE(delivery.last_error.empty());
  }
}

TEST_F(DeskTest, OfADomainThatIsNoLongerManagedNothingIsRemembered) {
  PutInsight();
  ToldRecord told;
  told.domain = "gone.test";
  told.insight = "i";
  told.open = true;
  told.window = clock_.Now();
  ASSERT_TRUE(alerts_.UpdateAlerts({.told = {told}}).ok());
  Tick();
  ASSERT_THAT(*alerts_.ListTold(), SizeIs(1));
  EXPECT_EQ(alerts_.ListTold()->front().domain, "example.com");
}

TEST_F(DeskTest, AClockThatWasAheadKeepsNoDigestBack) {
  options_.digest = DigestTime{1, 7, 0};
  clock_.JumpWallTo(kNoon + absl::Hours(24 * 365));
  Start();
  AddChannel("a", /*digest=*/true);
  Tick();
  clock_.JumpWallTo(kNoon);
  Tick();
  EXPECT_THAT(notifier_.sent(), IsEmpty()) << "nobody waited for that of last Monday";
  for (int i = 0; i < 24 * 7; ++i) Tick(absl::Hours(1));
  EXPECT_THAT(notifier_.sent(), SizeIs(1));
  // Back by a minute over the hour at which it is due: it was made.
  clock_.JumpWallTo(kNoon + absl::Hours(24 * 13 - 5) + absl::Minutes(1));
  Tick();
  EXPECT_THAT(notifier_.sent(), SizeIs(2));
  clock_.JumpWallTo(kNoon + absl::Hours(24 * 13 - 5) - absl::Minutes(1));
  Tick();
  EXPECT_THAT(notifier_.sent(), SizeIs(2));
}

TEST_F(DeskTest, OldDeliveriesAreForgotten) {
  options_.keep_most = 3;
  Start();
  AddChannel("a");
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(desk_->Test(*alerts_.GetAlertChannel("a")).ok());
  Tick(absl::Hours(2));
  EXPECT_THAT(Journal(), SizeIs(3));
  Tick(absl::Hours(24 * 91));
  EXPECT_THAT(Journal(), IsEmpty());
}

}  // namespace
}  // namespace dmarcate
