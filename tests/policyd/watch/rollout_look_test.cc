#include "policyd/watch/rollout_look.h"

#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "policyd/rollout/codec.h"
#include "policyd/watch/insights.h"
#include "tests/policyd/rollout/rollout_testing.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Event = RolloutEvent;

const DomainName kName = *DomainName::Parse("example.com");
// The first stage has lasted long enough.
constexpr int kLater = 40;

RolloutLogRecord Entry(Event event, absl::Time time, std::string text = "") {
  RolloutLogRecord entry;
  entry.event = event;
  entry.time = time;
  entry.text = std::move(text);
  return entry;
}

// The entry of what is decided on that evidence.
RolloutLogRecord Decided(const RolloutState& state, const Evidence& evidence, absl::Time now) {
  const Step step = NextStep(state, evidence, now);
  RolloutLogRecord entry = Entry(Event::kDecided, now, step.reason);
  entry.decision = EncodeDecision(Record({state, evidence, now}, step));
  return entry;
}

// A rollout in mode `mode` at whose last decision, on day kLater, the gate `closed` (if one) had
// been closed since `since`.
RolloutSight AtGate(RolloutMode mode, bool blocked, absl::Time since = Noon(kLater - 5)) {
  RolloutSight out;
  out.state = HealthyState();
  out.state.mode = mode;
  const absl::Time now = Noon(kLater);
  Evidence evidence = HealthyEvidence(out.state, now);
  // A quarter of the mail of an approved source fails (gate G2).
  if (blocked) evidence = HealthyEvidence(out.state, now, {Traffic{.failing = 75}});
  out.state.gates = {{GateId::kSourcesHealthy, !blocked, since}};
  out.log = {Decided(out.state, evidence, now)};
  return out;
}

// "CODE path severity" of each.
std::vector<std::string> Found(const std::vector<RolloutSight>& rollouts, absl::Time now) {
  std::vector<std::string> out;
  for (const InsightFinding& found : LookAtRollouts(kName, rollouts, now).found) {
    out.push_back(fmt::format("{} {} {}", found.code, found.path, ToString(found.severity)));
  }
  return out;
}

RolloutSight Lowered(StepAction action, absl::Time when) {
  RolloutSight out;
  out.state = HealthyState(PolicyStage::kObserve);
  Step step;
  step.action = action;
  step.reason = "step down to observe: the key is gone";
  RolloutLogRecord started = Entry(Event::kStarted, when - absl::Minutes(5), step.reason);
  started.decision = EncodeDecision(Record({out.state, Evidence(), when}, step));
  started.change_id = "c1";
  started.lowered = started.alert = true;
  RolloutLogRecord published = Entry(Event::kPublished, when, "observe is live on every server");
  published.change_id = "c1";
  published.lowered = published.alert = true;
  out.log = {published, started};
  return out;
}

TEST(RolloutLook, ANewRolloutIsNoNews) {
  RolloutSight rollout{HealthyState(), {}};
  EXPECT_THAT(Found({rollout}, Noon(0)), IsEmpty());
  // Days pass by themselves.
  rollout.log = {Decided(rollout.state, HealthyEvidence(rollout.state, Noon(2)), Noon(2))};
  EXPECT_THAT(Found({rollout}, Noon(2)), IsEmpty());
  EXPECT_THAT(Found({}, Noon(2)), IsEmpty());
}

TEST(RolloutLook, ReadyIsWhatWaitsForAPerson) {
  const RolloutSight confirm = AtGate(RolloutMode::kConfirm, false);
  EXPECT_THAT(Found({confirm}, Noon(kLater)), ElementsAre("ROLLOUT_READY rollout/r1 warning"));
  EXPECT_THAT(Found({AtGate(RolloutMode::kAdvise, false)}, Noon(kLater)),
              ElementsAre("ROLLOUT_READY rollout/r1 info"));
  const InsightFinding ready = LookAtRollouts(kName, {confirm}, Noon(kLater)).found[0];
  EXPECT_THAT(ready.message, HasSubstr("ready for"));
  EXPECT_THAT(ready.fix_hint, HasSubstr("dmarcate rollout advance example.com"));

  RolloutSight advanced = confirm;
  advanced.log.insert(advanced.log.begin(), Entry(Event::kPerson, Noon(kLater), "advanced by p"));
  EXPECT_THAT(Found({advanced}, Noon(kLater)), IsEmpty()) << "a person has answered";
  RolloutSight moving = confirm;
  moving.state.pending_change = "c1";
  EXPECT_THAT(Found({moving}, Noon(kLater)), IsEmpty());
}

TEST(RolloutLook, BlockedIsAGateThatHasBeenClosedForADay) {
  const RolloutSight blocked = AtGate(RolloutMode::kAutomatic, true);
  EXPECT_THAT(Found({blocked}, Noon(kLater)), ElementsAre("ROLLOUT_BLOCKED rollout/r1 warning"));
  const InsightFinding found = LookAtRollouts(kName, {blocked}, Noon(kLater)).found[0];
  EXPECT_THAT(found.message, HasSubstr("stays at observe: G2"));
  EXPECT_EQ(found.since, Noon(kLater - 5));

  const RolloutSight fresh = AtGate(RolloutMode::kAutomatic, true, Noon(kLater) - absl::Hours(23));
  EXPECT_THAT(Found({fresh}, Noon(kLater)), IsEmpty());
  EXPECT_THAT(Found({fresh}, Noon(kLater) + absl::Hours(1)),
              ElementsAre("ROLLOUT_BLOCKED rollout/r1 warning"))
      << "though nothing was decided anew";
}

TEST(RolloutLook, BlockedIsWhatCannotBeAskedOrFailed) {
  RolloutSight rollout{HealthyState(), {}};
  Evidence blind = HealthyEvidence(rollout.state, Noon(3));
  blind.records.looked = absl::InfinitePast();
  rollout.log = {Decided(rollout.state, blind, Noon(3))};
  EXPECT_THAT(Found({rollout}, Noon(3)), ElementsAre("ROLLOUT_BLOCKED rollout/r1 warning"));

  rollout.log = {Entry(Event::kFailed, Noon(3), "step up: cannot be planned: http 503\x1b")};
  const InsightLook look = LookAtRollouts(kName, {rollout}, Noon(3));
  ASSERT_EQ(look.found.size(), 1u);
  EXPECT_THAT(look.found[0].message, HasSubstr("cannot be planned: http 503\\x1b"));
  rollout.state.status = RolloutStatus::kCompleted;
  EXPECT_THAT(Found({rollout}, Noon(3)), IsEmpty());
}

TEST(RolloutLook, APauseIsAsGraveAsItsReason) {
  RolloutSight rollout{HealthyState(PolicyStage::kQuarantine), {}};
  rollout.state.status = RolloutStatus::kPaused;
  rollout.state.pause_time = Noon(3);
  const std::pair<PauseReason, const char*> kCases[] = {
      {PauseReason::kBreakage, "error"},    {PauseReason::kSourceFailing, "error"},
      {PauseReason::kDrift, "error"},       {PauseReason::kAttention, "error"},
      {PauseReason::kNewSource, "warning"}, {PauseReason::kOperator, "info"}};
  for (const auto& [reason, severity] : kCases) {
    rollout.state.pause_reason = reason;
    EXPECT_THAT(Found({rollout}, Noon(4)),
                ElementsAre(fmt::format("ROLLOUT_PAUSED rollout/r1 {}", severity)));
  }
  rollout.state.status = RolloutStatus::kActive;
  EXPECT_THAT(Found({rollout}, Noon(4)), IsEmpty());
}

TEST(RolloutLook, ALoweredPolicyIsToldForAWeekOrUntilAPersonActs) {
  const RolloutSight down = Lowered(StepAction::kStepDown, Noon(50));
  EXPECT_THAT(Found({down}, Noon(50)), ElementsAre("POLICY_LOWERED rollout/r1/c1 error"));
  EXPECT_THAT(Found({Lowered(StepAction::kAbort, Noon(50))}, Noon(50)),
              ElementsAre("POLICY_LOWERED rollout/r1/c1 warning"));
  const InsightFinding found = LookAtRollouts(kName, {down}, Noon(50)).found[0];
  EXPECT_THAT(found.message, HasSubstr("the key is gone; observe is live on every server"));
  EXPECT_THAT(Found({down}, Noon(57)), ElementsAre("POLICY_LOWERED rollout/r1/c1 error"));
  EXPECT_THAT(Found({down}, Noon(57) + absl::Minutes(1)), IsEmpty());

  // Another rollout of the domain, begun since.
  RolloutSight next{HealthyState(), {Entry(Event::kPerson, Noon(50) + absl::Minutes(10))}};
  next.state.id = "r2";
  EXPECT_THAT(Found({down, next}, Noon(50) + absl::Minutes(50)),
              ElementsAre("POLICY_LOWERED rollout/r1/c1 error"))
      << "an hour at least, or nobody would be told";
  EXPECT_THAT(Found({down, next}, Noon(50) + absl::Minutes(61)), IsEmpty());
  RolloutSight raised = down;
  raised.log.insert(raised.log.begin(), Entry(Event::kPublished, Noon(51)));
  EXPECT_THAT(Found({raised}, Noon(52)), IsEmpty());
}

TEST(RolloutLook, EachLoweringIsAnInsightOfItsOwn) {
  RolloutSight twice = Lowered(StepAction::kStepDown, Noon(50));
  RolloutSight again = Lowered(StepAction::kStepDown, Noon(51));
  for (RolloutLogRecord& entry : again.log) entry.change_id = "c2";
  twice.log.insert(twice.log.begin(), again.log.begin(), again.log.end());
  EXPECT_THAT(Found({twice}, Noon(51)),
              testing::UnorderedElementsAre("POLICY_LOWERED rollout/r1/c1 error",
                                            "POLICY_LOWERED rollout/r1/c2 error"));
}

TEST(RolloutLook, WhatIsNotFoundAnyMoreIsResolvedAndNothingElseIs) {
  InsightLook look = LookAtRollouts(kName, {AtGate(RolloutMode::kConfirm, false)}, Noon(kLater));
  std::vector<InsightRecord> kept = FoldInsights({}, {}, look, Noon(kLater)).put;
  ASSERT_EQ(kept.size(), 1u);
  InsightRecord of_mail = kept[0];
  of_mail.id = "mail";
  of_mail.scope = insight_scope::kMail;
  kept.push_back(of_mail);

  RolloutSight damaged = AtGate(RolloutMode::kConfirm, false);
  damaged.log[0].decision = "no decision";
  look = LookAtRollouts(kName, {damaged}, Noon(kLater + 1));
  EXPECT_FALSE(IsLearned(look, insight_scope::kRollouts));
  EXPECT_THAT(FoldInsights(kept, {}, look, Noon(kLater + 1)).put, IsEmpty());

  look = LookAtRollouts(kName, {}, Noon(kLater + 1));
  EXPECT_FALSE(IsLearned(look, insight_scope::kMail));
  EXPECT_FALSE(IsLearned(look, insight_scope::kSpf));
  const InsightUpdate update = FoldInsights(kept, {}, look, Noon(kLater + 1));
  ASSERT_EQ(update.put.size(), 1u);
  EXPECT_EQ(update.put[0].code, insight_code::kRolloutReady);
  EXPECT_EQ(update.put[0].state, InsightState::kResolved);
  EXPECT_FALSE(IsLearned(InsightLook(), insight_scope::kRollouts)) << "nor by looks at records";
}

}  // namespace
}  // namespace dmarcate
