// The whole way from the log of a rollout to what people are told (E5).

#include "policyd/service/rollout_watcher.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/store/fake_alert_store.h"
#include "lib/store/fake_insight_store.h"
#include "lib/store/fake_policy_store.h"
#include "lib/store/fake_report_store.h"
#include "lib/store/fake_rollout_store.h"
#include "policyd/notify/fake_notifier.h"
#include "policyd/rollout/codec.h"
#include "policyd/service/alert_desk.h"
#include "tests/policyd/rollout/rollout_testing.h"

namespace dmarcate {
namespace {

using testing::IsEmpty;
using Event = RolloutEvent;

class RolloutWatcherTest : public testing::Test {
 protected:
  RolloutWatcherTest() {
    DomainRecord domain;
    domain.name = "example.com";
    EXPECT_TRUE(policies_.PutDomain(domain).ok());
    AlertChannelRecord channel;
    channel.id = "ops";
    channel.kind = AlertChannelKind::kSyslog;
    channel.min_severity = Severity::kInfo;
    EXPECT_TRUE(alerts_.PutAlertChannel(channel).ok());
    state_.mode = RolloutMode::kConfirm;
    record_.domain = state_.domain;
    record_.id = state_.id;
    Put(Event::kPerson, "created by p");
  }

  RolloutLogRecord Entry(Event event, const std::string& text) const {
    RolloutLogRecord entry;
    entry.event = event;
    entry.time = clock_.Now();
    entry.text = text;
    return entry;
  }
  void Put(RolloutLogRecord entry) {
    record_.state = EncodeState(state_);
    auto stored = rollouts_.PutRollout(record_, {std::move(entry)});
    ASSERT_TRUE(stored.ok()) << stored.status();
    record_ = *std::move(stored);
  }
  void Put(Event event, const std::string& text) { Put(Entry(event, text)); }
  void Publish(PolicyStage stage, const std::string& change) {
    RolloutLogRecord entry = Entry(Event::kPublished, "live on every server");
    entry.change_id = change;
    entry.lowered = entry.alert = stage < state_.stage;
    state_.stage = stage;
    state_.stage_start = clock_.Now();
    state_.gates.clear();
    Put(std::move(entry));
  }
  // As the controller decides, once a day.
  void Decide(int64_t failing) {
    const Evidence evidence = HealthyEvidence(state_, clock_.Now(), {Traffic{.failing = failing}});
    const Step step = NextStep(state_, evidence, clock_.Now());
    RolloutLogRecord entry = Entry(Event::kDecided, step.reason);
    entry.decision = EncodeDecision(Record({state_, evidence, clock_.Now()}, step));
    entry.alert = step.alert;
    state_ = AfterDecision(state_, step, clock_.Now());
    Put(std::move(entry));
  }
  // Days on which the controller decides, and the desk tells what there is to tell.
  void Days(int days, int64_t failing = 0) {
    for (int day = 0; day < days; ++day) {
      if (state_.status == RolloutStatus::kActive) Decide(failing);
      Look();
      clock_.Advance(absl::Hours(23));
    }
  }
  void Look() {
    // Told once an alert has been so for ten minutes, and gone for an hour.
    for (int i = 0; i < 12; ++i) {
      watcher_.Tick();
      desk_.Tick();
      clock_.Advance(absl::Minutes(5));
    }
  }
  // How often it was told that it is so, and that it is over.
  std::pair<int, int> Told(std::string_view code) {
    std::pair<int, int> out;
    for (const FakeNotifier::Sent& sent : notifier_.sent()) {
      for (const AlertRecord& alert : sent.delivery.alerts) {
        if (alert.code != code) continue;
        ++(alert.event == AlertEvent::kCleared ? out.second : out.first);
      }
    }
    return out;
  }

  FakeClock clock_{kBegin};
  FakePolicyStore policies_;
  FakeInsightStore insights_;
  FakeAlertStore alerts_;
  FakeRolloutStore rollouts_;
  FakeNotifier notifier_;
  ReportFollower reports_{[]() -> absl::StatusOr<std::unique_ptr<ReportReader>> {
    return std::unique_ptr<ReportReader>(std::make_unique<FakeReportStore>());
  }};
  AnalysisCache analysis_{reports_, Catalogue::Default()};
  AlertDesk desk_{{policies_, insights_, alerts_, analysis_, notifier_, clock_}, {}};
  InsightBook book_{insights_, clock_};
  RolloutWatcher watcher_{{policies_, rollouts_, book_, clock_}};
  RolloutState state_ = HealthyState();
  RolloutRecord record_;
};

using Times = std::pair<int, int>;

TEST_F(RolloutWatcherTest, BlockedAndReadyAreEachToldOnceAndClear) {
  Days(40, /*failing=*/75);
  EXPECT_EQ(Told("ROLLOUT_BLOCKED"), Times(1, 0)) << "not again with each decision";
  EXPECT_EQ(Told("ROLLOUT_READY"), Times(0, 0));
  // What failed must be out of the gate's window.
  Days(31);
  EXPECT_EQ(Told("ROLLOUT_BLOCKED"), Times(1, 1));
  EXPECT_EQ(Told("ROLLOUT_READY"), Times(1, 0));
  Put(Event::kPerson, "advanced by p");
  Publish(PolicyStage::kQuarantine, "c1");
  Days(2);
  EXPECT_EQ(Told("ROLLOUT_READY"), Times(1, 1));
  EXPECT_EQ(Told("POLICY_LOWERED"), Times(0, 0));
}

TEST_F(RolloutWatcherTest, APauseIsToldOnceAndClearsWhenItGoesOn) {
  Days(1);
  state_.status = RolloutStatus::kPaused;
  state_.pause_reason = PauseReason::kDrift;
  state_.pause_detail = "somebody else changed the record";
  state_.pause_time = clock_.Now();
  Put(Event::kDecided, "paused");
  Days(3);
  EXPECT_EQ(Told("ROLLOUT_PAUSED"), Times(1, 0));
  state_.status = RolloutStatus::kActive;
  Put(Event::kPerson, "resumed by p");
  Days(2);
  EXPECT_EQ(Told("ROLLOUT_PAUSED"), Times(1, 1));
}

// Never-event R15: a policy lowered without an alert.
TEST_F(RolloutWatcherTest, EachLoweringIsToldAtOnceAndClearsWithinAWeek) {
  Publish(PolicyStage::kReject, "c1");
  Days(1);
  Publish(PolicyStage::kQuarantine, "c2");
  watcher_.Tick();
  desk_.Tick();
  EXPECT_EQ(Told("POLICY_LOWERED"), Times(1, 0)) << "an error is told at once";
  clock_.Advance(absl::Hours(2));
  // A person who looks and acts at once takes no alert away.
  Publish(PolicyStage::kObserve, "c3");
  clock_.Advance(absl::Minutes(1));
  Put(Event::kPerson, "resumed by p");
  watcher_.Tick();
  desk_.Tick();
  EXPECT_EQ(Told("POLICY_LOWERED"), Times(2, 0));
  Days(3);
  EXPECT_EQ(Told("POLICY_LOWERED"), Times(2, 2));
}

TEST_F(RolloutWatcherTest, WhatHasNotChangedIsNotReadAgainWithinTheHour) {
  Publish(PolicyStage::kReject, "c1");
  Publish(PolicyStage::kQuarantine, "c2");
  watcher_.Tick();
  ASSERT_EQ(insights_.ListInsights("example.com")->size(), 1u);
  InsightUpdate forget;
  forget.forget = {insights_.ListInsights("example.com")->front().id};
  ASSERT_TRUE(insights_.UpdateInsights("example.com", forget, InsightSync::kSynced).ok());
  watcher_.Tick();
  EXPECT_THAT(*insights_.ListInsights("example.com"), IsEmpty());
  clock_.Advance(absl::Hours(1));
  watcher_.Tick();
  EXPECT_EQ(insights_.ListInsights("example.com")->size(), 1u);
}

TEST_F(RolloutWatcherTest, OfADomainThatIsNoLongerManagedNothingIsWrittenDown) {
  RolloutRecord other = record_;
  other.domain = "gone.test";
  other.revision = 0;
  state_.status = RolloutStatus::kPaused;
  other.state = EncodeState(state_);
  ASSERT_TRUE(rollouts_.PutRollout(other, {}).ok());
  watcher_.Tick();
  EXPECT_THAT(*insights_.ListInsights("gone.test"), IsEmpty());
}

}  // namespace
}  // namespace dmarcate
