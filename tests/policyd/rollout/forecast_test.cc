#include "policyd/rollout/forecast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/policyd/rollout/rollout_testing.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;

std::vector<PolicyStage> StagesOf(const Forecast& forecast) {
  std::vector<PolicyStage> out;
  for (const ForecastStage& stage : forecast.stages) out.push_back(stage.stage);
  return out;
}

const ForecastGate* GateIn(const ForecastStage& stage, GateId id) {
  const auto found = std::ranges::find(stage.waits, id, &ForecastGate::id);
  return found == stage.waits.end() ? nullptr : &*found;
}

TEST(ForecastTest, AHealthyDomainTakesTheStagesOnTheirDays) {
  const RolloutState state = HealthyState();
  const Forecast forecast = ForecastRollout(state, HealthyEvidence(state, Noon(10)), Noon(10));
  EXPECT_TRUE(forecast.reached);
  EXPECT_THAT(StagesOf(forecast), testing::ElementsAreArray(kPolicyStages));
  const DayNumber begin = DayOf(kBegin);
  EXPECT_EQ(DayOf(forecast.stages[1].since), begin + 31);  // 30 whole days
  EXPECT_EQ(DayOf(forecast.stages[2].since), begin + 31 + 8);
  EXPECT_EQ(DayOf(forecast.stages[3].since), begin + 31 + 8 + 31);
  EXPECT_EQ(DayOf(forecast.stages[4].since), begin + 31 + 8 + 31 + 8);
  const ForecastGate* dwell = GateIn(forecast.stages[0], GateId::kDwell);
  ASSERT_NE(dwell, nullptr);
  EXPECT_EQ(dwell->closed_until, begin + 30);
  EXPECT_THAT(dwell->measured, HasSubstr("9 days with reports"));
}

TEST(ForecastTest, SaysWhatHoldsItUp) {
  RolloutState state = HealthyState();
  Traffic traffic;
  traffic.failing = 30;
  const Evidence evidence = HealthyEvidence(state, Noon(20), {traffic});
  const Forecast forecast = ForecastRollout(state, evidence, Noon(20), {.days = 90});
  EXPECT_FALSE(forecast.reached);
  EXPECT_EQ(forecast.stages.size(), 1u);
  const ForecastGate* gate = GateIn(forecast.stages[0], GateId::kSourcesHealthy);
  ASSERT_NE(gate, nullptr);
  EXPECT_EQ(gate->closed_until, std::nullopt);
  EXPECT_EQ(DayOf(forecast.end), DayOf(Noon(20)) + 90);
  const std::string text = TellForecast(state, forecast, {.days = 90});
  EXPECT_THAT(text, HasSubstr("G2 approved sources healthy: to the end: 1 of 1 too low"));
  EXPECT_THAT(text, HasSubstr("is not reached by then: hold at observe: "));
}

TEST(ForecastTest, APersonsYesIsSupposedAndSaid) {
  RolloutState state = HealthyState();
  state.mode = RolloutMode::kConfirm;
  state.target = PolicyStage::kQuarantine;
  const Forecast forecast = ForecastRollout(state, HealthyEvidence(state, Noon(10)), Noon(10));
  EXPECT_TRUE(forecast.reached);
  ASSERT_EQ(forecast.stages.size(), 3u);
  EXPECT_TRUE(forecast.stages[2].by_person);
  EXPECT_THAT(TellForecast(state, forecast, {}), HasSubstr("with a person's yes"));
}

TEST(ForecastTest, NoLossIsSignedForAnybody) {
  RolloutState state = HealthyState();
  state.mode = RolloutMode::kConfirm;
  Traffic traffic;
  traffic.messages = 4;  // a day: too few for a proof, above all without the largest anchor
  const Forecast forecast =
      ForecastRollout(state, HealthyEvidence(state, Noon(40), {traffic}), Noon(40), {.days = 60});
  EXPECT_FALSE(forecast.reached);
  EXPECT_NE(GateIn(forecast.stages.back(), GateId::kLossBound), nullptr);
}

TEST(ForecastTest, WhatIsPausedStaysSo) {
  RolloutState state = HealthyState();
  state.status = RolloutStatus::kPaused;
  state.pause_reason = PauseReason::kOperator;
  state.pause_detail = "ann";
  const Forecast forecast = ForecastRollout(state, HealthyEvidence(state, Noon(10)), Noon(10));
  EXPECT_EQ(forecast.stages.size(), 1u);
  EXPECT_EQ(forecast.end, Noon(10));
  EXPECT_THAT(forecast.reason, HasSubstr("paused (operator)"));
}

TEST(ForecastTest, WeekendsAreNoWorkingDays) {
  RolloutState state = HealthyState();
  state.settings.hours = WorkingHours();
  const Forecast forecast = ForecastRollout(state, HealthyEvidence(state, Noon(10)), Noon(10));
  EXPECT_TRUE(forecast.reached);
  for (size_t i = 1; i < forecast.stages.size(); ++i) {
    const absl::Weekday day = absl::GetWeekday(ToCivil(DayOf(forecast.stages[i].since)));
    EXPECT_TRUE(day != absl::Weekday::saturday && day != absl::Weekday::sunday);
  }
}

TEST(ForecastTest, TheSameInputTheSameForecastAndNothingOfItChanges) {
  const RolloutState state = HealthyState();
  const Evidence evidence = HealthyEvidence(state, Noon(10));
  const Evidence before = evidence;
  const std::string text =
      TellForecast(state, ForecastRollout(state, evidence, Noon(10)), ForecastOptions());
  EXPECT_EQ(evidence, before);
  EXPECT_EQ(TellForecast(state, ForecastRollout(state, evidence, Noon(10)), ForecastOptions()),
            text);
}

}  // namespace
}  // namespace dmarcate
