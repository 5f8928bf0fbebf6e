// What people say to a rollout: starting, saying yes (one or two of them), changing what is set.

#include <atomic>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/policyd/reconcile/rollout_world.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::IsOk;

using RolloutPeopleTest = RolloutWorldTest;

TEST_F(RolloutPeopleTest, ConfirmWaitsForAPersonsYesToTheStageThatWasShown) {
  const Rollout rollout = Start(RolloutMode::kConfirm);
  Days(10);
  AdvanceRequest request{.rollout = Asked(rollout), .stage = PolicyStage::kQuarantineTest};
  const auto early = controller->Advance(request);
  EXPECT_EQ(ReasonOf(early.status()), "GATE_UNMET");
  EXPECT_THAT(ErrorReasonOf(early.status())->metadata, Contains(testing::Key("dwell")));
  Days(40);
  EXPECT_TRUE(published.empty());
  EXPECT_THAT(LogOf(rollout).front().text, HasSubstr("ready for quarantine-test"));
  request.rollout = Asked(rollout);
  request.stage = PolicyStage::kQuarantine;
  EXPECT_EQ(ReasonOf(controller->Advance(request).status()), "FIELD_INVALID");
  request.stage = PolicyStage::kQuarantineTest;
  request.rollout.mode = RunMode::kValidateOnly;
  EXPECT_THAT(controller->Advance(request), IsOk());
  EXPECT_TRUE(published.empty());
  request.rollout.mode = RunMode::kExecute;
  request.rollout.revision -= 1;
  EXPECT_EQ(ReasonOf(controller->Advance(request).status()), "ETAG_MISMATCH");
  request.rollout = Asked(rollout);
  ASSERT_THAT(controller->Advance(request), IsOk());
  EXPECT_THAT(published, ElementsAre(Record("quarantine", kTest)));
  EXPECT_EQ(Now(rollout).stage, PolicyStage::kQuarantineTest);
  Days(40);  // one yes is for one step
  EXPECT_EQ(published.size(), 1u);
}

TEST_F(RolloutPeopleTest, AdviseNeverPublishes) {
  const Rollout rollout = Start(RolloutMode::kAdvise);
  Days(50);
  EXPECT_TRUE(published.empty());
  const AdvanceRequest request{.rollout = Asked(rollout), .stage = PolicyStage::kQuarantineTest};
  EXPECT_EQ(ReasonOf(controller->Advance(request).status()), "ROLLOUT_STATE");
}

TEST_F(RolloutPeopleTest, OneOfAScopeAtATime) {
  Start(RolloutMode::kConfirm);
  RolloutState again = HealthyState();
  EXPECT_EQ(ReasonOf(controller->Create(again, "ann", RunMode::kExecute).status()),
            "ROLLOUT_ACTIVE");
  again.scope = PolicyScope::kSubdomains;
  EXPECT_THAT(controller->Create(again, "ann", RunMode::kExecute), IsOk());
}

TEST_F(RolloutPeopleTest, RefusesWhatCannotBegin) {
  RolloutState state = HealthyState();
  state.settings.ordinary_mailboxes = true;
  EXPECT_EQ(ReasonOf(controller->Create(state, "ann", RunMode::kExecute).status()),
            "FIELD_INVALID");
  state = HealthyState();
  state.target = PolicyStage::kRejectTest;
  EXPECT_EQ(ReasonOf(controller->Create(state, "ann", RunMode::kExecute).status()),
            "FIELD_INVALID");
  state = HealthyState();
  world.provider->SetTexts(TestWorld::kDmarc, {Record("quarantine", "; pct=50")});
  EXPECT_EQ(ReasonOf(controller->Create(state, "ann", RunMode::kExecute).status()),
            "ROLLOUT_STATE");
  world.provider->SetTexts(TestWorld::kDmarc, {Record("none"), Record("reject")});
  EXPECT_EQ(ReasonOf(controller->Create(state, "ann", RunMode::kExecute).status()),
            "ROLLOUT_STATE");
}

// Evidence takes its time, and one is gathered after the other: who waits for it must not take
// every thread from those who want to pause or abort.
TEST_F(RolloutPeopleTest, FewWaitForEvidence) {
  const Rollout rollout = Start(RolloutMode::kConfirm);
  std::latch go_on(1);
  evidence.change = [&](const RolloutState&, absl::Time, Evidence&) { go_on.wait(); };
  std::atomic<int> refused = 0, explained = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < RolloutController::kMostWaiting + 3; ++i) {
    callers.emplace_back([&] {
      const auto answer = controller->Explain("example.com", rollout.record.id);
      if (!answer.ok()) {
        EXPECT_EQ(ReasonOf(answer.status()), "RATE_LIMITED");
      }
      ++(answer.ok() ? explained : refused);
    });
  }
  while (refused < 3) std::this_thread::yield();
  EXPECT_THAT(controller->Pause(Asked(rollout), ""), IsOk());
  go_on.count_down();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(explained, RolloutController::kMostWaiting);
  EXPECT_EQ(refused, 3);
  EXPECT_THAT(controller->Explain("example.com", rollout.record.id), IsOk());
}

RulesRequest By(const std::string& who, const std::string& domain = "example.com") {
  return {.domain = domain, .revision = {}, .principal = who};
}

TEST_F(RolloutPeopleTest, WhereTwoAreWantedOnePersonTwiceIsOne) {
  RolloutRulesBook rules(evidence.rules, world.clock, world.random);
  ASSERT_THAT(rules.Update(By("ann"), {.two_people = true}), IsOk());
  const Rollout rollout = Start(RolloutMode::kConfirm);
  Days(40);
  AdvanceRequest request{.rollout = Asked(rollout, "ann"),
                         .stage = PolicyStage::kQuarantineTest,
                         .decisions_etag = "e1"};
  ASSERT_THAT(controller->Advance(request), IsOk());
  EXPECT_TRUE(published.empty());
  EXPECT_EQ(Now(rollout).confirmation->by, "ann");
  EXPECT_THAT(LogOf(rollout).front().text, HasSubstr("another person is wanted"));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const RolloutExplanation explained,
                                controller->Explain("example.com", rollout.record.id));
  EXPECT_THAT(explained.text, HasSubstr("signed by ann; another person is wanted"));
  EXPECT_THAT(explained.step.reason, HasSubstr("ann has said yes"));
  request.rollout = Asked(rollout, "ann");
  const absl::Status again = controller->Advance(request).status();
  EXPECT_EQ(ReasonOf(again), "ROLLOUT_STATE");
  EXPECT_THAT(std::string(again.message()), HasSubstr("ann has said yes to quarantine-test"));
  Days(2);
  EXPECT_TRUE(published.empty());
  request.rollout = Asked(rollout, "bob");
  ASSERT_THAT(controller->Advance(request), IsOk());
  EXPECT_THAT(published, ElementsAre(Record("quarantine", kTest)));
  EXPECT_EQ(Now(rollout).stage, PolicyStage::kQuarantineTest);
}

TEST_F(RolloutPeopleTest, ASecondYesToOtherApprovalsIsAFirstOne) {
  RolloutRulesBook rules(evidence.rules, world.clock, world.random);
  ASSERT_THAT(rules.Update(By("ann", std::string(kRulesOfAll)), {.two_people = true}), IsOk());
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(40);
  EXPECT_TRUE(published.empty());  // what was signed beforehand is one person's
  AdvanceRequest request{.rollout = Asked(rollout, "ann"), .stage = PolicyStage::kQuarantineTest};
  ASSERT_THAT(controller->Advance(request), IsOk());
  evidence.etag = "e2";
  request.rollout = Asked(rollout, "bob");
  ASSERT_THAT(controller->Advance(request), IsOk());
  EXPECT_TRUE(published.empty());
  EXPECT_EQ(Now(rollout).confirmation->by, "bob");
  request.rollout = Asked(rollout, "ann");
  ASSERT_THAT(controller->Advance(request), IsOk());
  EXPECT_THAT(published, ElementsAre(Record("quarantine", kTest)));
}

TEST_F(RolloutPeopleTest, BothSignTheLossThatIsNotProved) {
  RolloutRulesBook rules(evidence.rules, world.clock, world.random);
  ASSERT_THAT(rules.Update(By("ann"), {.two_people = true}), IsOk());
  evidence.traffic = {{.messages = 10}};
  const Rollout rollout = Start(RolloutMode::kConfirm);
  Days(40);
  AdvanceRequest request{.rollout = Asked(rollout, "ann"),
                         .stage = PolicyStage::kQuarantineTest,
                         .accepted_bound = 0.02};
  ASSERT_THAT(controller->Advance(request), IsOk());
  request.rollout = Asked(rollout, "bob");
  request.accepted_bound = 0;
  EXPECT_EQ(ReasonOf(controller->Advance(request).status()), "GATE_UNMET");
  request.accepted_bound = 0.02;
  ASSERT_THAT(controller->Advance(request), IsOk());
  EXPECT_THAT(published, ElementsAre(Record("quarantine", kTest)));
}

TEST_F(RolloutPeopleTest, NothingIsRaisedInAFreezeAndAnAbortDoesNotWait) {
  RolloutRulesBook rules(evidence.rules, world.clock, world.random);
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  Days(20);
  const absl::Time now = world.clock.Now();
  DMARCATE_ASSERT_OK_AND_ASSIGN(
      const RolloutRulesBook::Frozen frozen,
      rules.AddFreeze(By("ann", std::string(kRulesOfAll)),
                      {.begin = now, .end = now + absl::Hours(24 * 40), .reason = "year end"}));
  Days(30);
  EXPECT_TRUE(published.empty());
  EXPECT_THAT(LogOf(rollout).front().explanation, HasSubstr("year end"));
  ASSERT_THAT(rules.RemoveFreeze(By("bob", std::string(kRulesOfAll)), frozen.freeze.id), IsOk());
  Days(2);
  EXPECT_THAT(published, ElementsAre(Record("quarantine", kTest)));
  ASSERT_THAT(
      rules.AddFreeze(By("ann"),
                      {.begin = now, .end = world.clock.Now() + absl::Hours(24), .reason = "fair"}),
      IsOk());
  ASSERT_THAT(rules.Update(By("ann"), {.suspended = true, .suspend_reason = "sold"}), IsOk());
  ASSERT_THAT(controller->Abort(Asked(rollout), PolicyStage::kObserve), IsOk());
  EXPECT_THAT(world.Texts(TestWorld::kDmarc), ElementsAre(Record("none")));
}

TEST_F(RolloutPeopleTest, ASuspendedDomainIsLeftAlone) {
  RolloutRulesBook rules(evidence.rules, world.clock, world.random);
  const Rollout rollout = Start(RolloutMode::kAutomatic);
  ASSERT_THAT(rules.Update(By("ann"), {.suspended = true, .suspend_reason = "sold"}), IsOk());
  Days(50);
  EXPECT_TRUE(published.empty());
  EXPECT_THAT(LogOf(rollout).front().text, HasSubstr("the domain is suspended: sold"));
  ASSERT_THAT(rules.Update(By("ann"), {.suspended = false}), IsOk());
  Days(2);
  EXPECT_THAT(published, ElementsAre(Record("quarantine", kTest)));
}

TEST_F(RolloutPeopleTest, WhatIsSetHoldsFromThenOnAndVoidsAYes) {
  const Rollout rollout = Start(RolloutMode::kConfirm, PolicyStage::kQuarantine);
  Days(40);
  world.provider->Inject({.call = FakeDnsProvider::Call::kApply,
                          .moment = FakeDnsProvider::Moment::kBefore,
                          .status = absl::PermissionDeniedError("read only"),
                          .times = 1});
  const AdvanceRequest yes{.rollout = Asked(rollout), .stage = PolicyStage::kQuarantineTest};
  (void)controller->Advance(yes);
  ASSERT_TRUE(published.empty());
  ASSERT_TRUE(Now(rollout).confirmation.has_value());
  RolloutSettings settings = Now(rollout).settings;
  settings.gates.observe_days = 60;
  RolloutRequest request = Asked(rollout, "bob");
  request.mode = RunMode::kValidateOnly;
  ASSERT_THAT(controller->Edit(request, {.settings = settings}), IsOk());
  EXPECT_EQ(Now(rollout).settings.gates.observe_days, 30);
  request.mode = RunMode::kExecute;
  ASSERT_THAT(controller->Edit(request, {.mode = RolloutMode::kAutomatic, .settings = settings}),
              IsOk());
  EXPECT_FALSE(Now(rollout).confirmation.has_value());
  EXPECT_EQ(LogOf(rollout).front().who, "bob");
  EXPECT_EQ(LogOf(rollout).front().text,
            "set mode automatic, was confirm; observe_days 60, was 30");
  EXPECT_EQ(ReasonOf(controller->Edit(request, {.settings = settings}).status()), "ETAG_MISMATCH");
  // What changes nothing writes nothing.
  const size_t entries = LogOf(rollout).size();
  ASSERT_THAT(controller->Edit(Asked(rollout), {.settings = settings}), IsOk());
  EXPECT_EQ(LogOf(rollout).size(), entries);
  settings.gates.observe_days = 13;
  EXPECT_EQ(ReasonOf(controller->Edit(Asked(rollout), {.settings = settings}).status()),
            "FIELD_INVALID");
  Days(15);
  EXPECT_TRUE(published.empty());
  Days(10);
  EXPECT_THAT(published, ElementsAre(Record("quarantine", kTest)));
}

TEST_F(RolloutPeopleTest, AHigherTargetGoesOnFromTheOneThatWasReached) {
  const Rollout rollout = Start(RolloutMode::kAutomatic, PolicyStage::kQuarantine);
  Days(60);
  ASSERT_EQ(Now(rollout).status, RolloutStatus::kCompleted);
  ASSERT_THAT(controller->Edit(Asked(rollout), {.target = PolicyStage::kReject}), IsOk());
  EXPECT_EQ(Now(rollout).status, RolloutStatus::kActive);
  Days(60);
  EXPECT_EQ(Now(rollout).stage, PolicyStage::kReject);
  EXPECT_EQ(
      ReasonOf(controller->Edit(Asked(rollout), {.target = PolicyStage::kQuarantine}).status()),
      "FIELD_INVALID");  // that is an abort
  ASSERT_THAT(controller->Abort(Asked(rollout), PolicyStage::kQuarantine), IsOk());
  EXPECT_EQ(ReasonOf(controller->Edit(Asked(rollout), {.mode = RolloutMode::kAdvise}).status()),
            "ROLLOUT_STATE");
}

TEST_F(RolloutPeopleTest, WhatWouldBeStartedIsShownAndNotStored) {
  RolloutState state = HealthyState();
  state.target = PolicyStage::kQuarantine;
  DMARCATE_ASSERT_OK_AND_ASSIGN(const RolloutExplanation shown, controller->Preview(state, "ann"));
  EXPECT_EQ(shown.rollout.state.stage, PolicyStage::kObserve);
  EXPECT_EQ(shown.rollout.state.target, PolicyStage::kQuarantine);
  EXPECT_THAT(shown.step.reason, HasSubstr("dwell"));
  EXPECT_TRUE(rollouts.ListRollouts("-", "", "", 10)->empty());
  Start(RolloutMode::kConfirm);
  EXPECT_EQ(ReasonOf(controller->Preview(state, "ann").status()), "ROLLOUT_ACTIVE");
}

}  // namespace
}  // namespace dmarcate
