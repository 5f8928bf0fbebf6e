#include "policyd/watch/mta_sts_look.h"

#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "policyd/mta_sts/codec.h"
#include "policyd/watch/insights.h"
#include "tests/policyd/mta_sts/mta_sts_testing.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Event = RolloutEvent;
using Log = std::vector<RolloutLogRecord>;

const DomainName kName = *DomainName::Parse("example.com");

RolloutLogRecord Entry(Event event, absl::Time time, std::string text = "") {
  RolloutLogRecord entry;
  entry.event = event;
  entry.time = time;
  entry.text = std::move(text);
  return entry;
}
// The entry of what is decided on that evidence.
RolloutLogRecord Decided(const StsState& state, const StsEvidence& evidence, absl::Time now) {
  const StsStep step = NextStep(state, evidence, now);
  RolloutLogRecord entry = Entry(Event::kDecided, now, step.reason);
  entry.decision = EncodeStsDecision(Record({state, evidence, now}, step));
  return entry;
}
// "CODE severity" of each.
std::vector<std::string> Found(const StsState& state, const Log& log, absl::Time now) {
  std::vector<std::string> out;
  for (const InsightFinding& found : LookAtMtaSts(kName, state, log, now).found) {
    EXPECT_TRUE(IsInsightCode(found.code));
    EXPECT_FALSE(found.message.empty());
    EXPECT_EQ(found.evidence_command, "dmarcate mta-sts explain example.com");
    out.push_back(fmt::format("{} {}", found.code, ToString(found.severity)));
  }
  return out;
}

TEST(MtaStsLookTest, WhatWaitsForAPersonIsTold) {
  StsState state = HealthySts(StsStage::kOff);
  state.mode = RolloutMode::kConfirm;
  const Log log = {Decided(state, HealthyStsEvidence(state, Noon(1)), Noon(1))};
  EXPECT_THAT(Found(state, log, Noon(1)), ElementsAre("MTA_STS_READY warning"));
  StsState advises = state;
  advises.mode = RolloutMode::kAdvise;
  const Log advice = {Decided(advises, HealthyStsEvidence(advises, Noon(1)), Noon(1))};
  EXPECT_THAT(Found(advises, advice, Noon(1)), ElementsAre("MTA_STS_READY info"));
  // Not of one that goes by itself, nor of one that has ended.
  state.status = RolloutStatus::kAborted;
  EXPECT_THAT(Found(state, log, Noon(1)), IsEmpty());
}

TEST(MtaStsLookTest, DaysInTestingBlockNothing) {
  const StsState state = HealthySts(StsStage::kTesting);
  StsEvidence evidence = HealthyStsEvidence(state, Noon(5));
  EXPECT_THAT(Found(state, {Decided(state, evidence, Noon(5))}, Noon(5)), IsEmpty());
}

TEST(MtaStsLookTest, AGateThatStaysClosedIsTold) {
  StsState state = HealthySts(StsStage::kTesting);
  StsEvidence evidence = HealthyStsEvidence(state, Noon(20));
  evidence.mx.hosts.front().faults = {MxFault::kUntrusted};
  state.gates = {{StsGateId::kMx, false, Noon(20) - absl::Hours(2)}};
  Log log = {Decided(state, evidence, Noon(20))};
  EXPECT_THAT(Found(state, log, Noon(20)), IsEmpty());
  EXPECT_THAT(Found(state, log, Noon(21)), ElementsAre("MTA_STS_BLOCKED warning"));
  EXPECT_THAT(LookAtMtaSts(kName, state, log, Noon(21)).found.front().message,
              HasSubstr("mx (mail servers): 2 MX hosts, 0 without a pattern, 1 with faults"));
}

TEST(MtaStsLookTest, AFileThatNobodyServesIsTold) {
  StsState state = HealthySts(StsStage::kOff);
  state.move = StsMove{StsStage::kTesting, StsMoveKind::kUp, "file", "id", Noon(1), "because"};
  const Log log = {Entry(Event::kDecided, Noon(1))};
  EXPECT_THAT(Found(state, log, Noon(1) + absl::Hours(23)), IsEmpty());
  EXPECT_THAT(Found(state, log, Noon(2)), ElementsAre("MTA_STS_BLOCKED warning"));
}

TEST(MtaStsLookTest, WhatFailedIsTold) {
  const StsState state = HealthySts(StsStage::kTesting);
  EXPECT_THAT(Found(state, {Entry(Event::kFailed, Noon(1), "refused: MTA_STS_FILE")}, Noon(1)),
              ElementsAre("MTA_STS_BLOCKED warning"));
}

TEST(MtaStsLookTest, APauseIsToldByItsReason) {
  StsState state = HealthySts(StsStage::kEnforce);
  state.status = RolloutStatus::kPaused;
  state.pause_time = Noon(3);
  state.pause_reason = StsPause::kMx;
  EXPECT_THAT(Found(state, {}, Noon(3)), ElementsAre("MTA_STS_PAUSED error"));
  state.pause_reason = StsPause::kOperator;
  EXPECT_THAT(Found(state, {}, Noon(3)), ElementsAre("MTA_STS_PAUSED info"));
}

TEST(MtaStsLookTest, GoingDownIsToldForAWeek) {
  StsState state = HealthySts(StsStage::kTesting);
  RolloutLogRecord down = Entry(Event::kPublished, Noon(3), "testing is live on every server");
  down.lowered = true;
  down.change_id = "c1";
  EXPECT_THAT(Found(state, {down}, Noon(3)), ElementsAre("MTA_STS_LOWERED error"));
  EXPECT_THAT(Found(state, {down}, Noon(9)), ElementsAre("MTA_STS_LOWERED error"));
  EXPECT_THAT(Found(state, {down}, Noon(11)), IsEmpty());
  state.status = RolloutStatus::kAborted;
  EXPECT_THAT(Found(state, {down}, Noon(3)), ElementsAre("MTA_STS_LOWERED warning"));
}

TEST(MtaStsLookTest, WhatDoesNotDecodeIsNotLearned) {
  const StsState state = HealthySts(StsStage::kTesting);
  RolloutLogRecord broken = Entry(Event::kDecided, Noon(1));
  broken.decision = "no decision";
  EXPECT_THAT(LookAtMtaSts(kName, state, {broken}, Noon(1)).learned, IsEmpty());
  EXPECT_THAT(LookAtMtaSts(kName, state, {}, Noon(1)).learned, ElementsAre("mta-sts"));
}

}  // namespace
}  // namespace dmarcate
