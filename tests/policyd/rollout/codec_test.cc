// What earlier versions kept is read: tests/data/rollout/codec has bytes as version 1 wrote them.

#include "policyd/rollout/codec.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/policyd/rollout/rollout_testing.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/test_data.h"

namespace dmarcate {
namespace {

using testing_support::IsOk;
using testing_support::ReadData;

// Every field has a value of its own, as far as version 1 knew it.
RolloutState FullState() {
  RolloutState state;
  state.domain = "example.com";
  state.id = "01kf";
  state.scope = PolicyScope::kSubdomains;
  state.mode = RolloutMode::kAutomatic;
  state.status = RolloutStatus::kPaused;
  state.stage = PolicyStage::kQuarantine;
  state.target = PolicyStage::kReject;
  GateSettings& gates = state.settings.gates;
  gates.observe_days = 31;
  gates.test_days = 8;
  gates.quarantine_days = 32;
  gates.min_anchors = 3;
  gates.covered_days = 26;
  gates.freshness = absl::Hours(71);
  gates.source_floor = 51;
  gates.source_aligned = 0.985;
  gates.source_dkim = 0.975;
  gates.unexplained = 0.004;
  gates.forwarding_loss = 0.011;
  gates.receiver_proof = 0.81;
  gates.signed_impact = 0.012;
  state.settings.hours = {{true, false, true, true, false, true, false}, 540, 1020, 60};
  state.settings.ordinary_mailboxes = false;
  state.settings.accepted_loss = "mail through; lists: 3";
  state.settings.waived_sources = {"mailgun", "sendgrid"};
  state.settings.step_down = false;
  state.create_time = kBegin;
  state.stage_start = kBegin + absl::Hours(1);
  state.last_up = kBegin + absl::Hours(2);
  state.last_auto_down = kBegin + absl::Hours(3);
  state.pause_reason = PauseReason::kBreakage;
  state.pause_detail = "s1 is gone";
  state.pause_time = kBegin + absl::Hours(4);
  state.resume_time = kBegin + absl::Nanoseconds(5);
  state.confirmation =
      Confirmation{"ann", kBegin + absl::Hours(6), PolicyStage::kRejectTest, "e7", 0.02};
  state.abort_to = PolicyStage::kObserve;
  state.pending_change = "01kg";
  state.gates = {{GateId::kDwell, true, kBegin}, {GateId::kWindow, false, Noon(1)}};
  return state;
}

DecisionInput SomeInput() {
  const RolloutState state = HealthyState();
  DecisionInput input{state, HealthyEvidence(state, Noon(9)), Noon(9)};
  for (AnchorEvidence& anchor : input.evidence.anchors) {
    anchor.days.erase(anchor.days.begin(), anchor.days.end() - 9);
  }
  SourceEvidence& source = input.evidence.sources.front();
  source.days.erase(source.days.begin(), source.days.end() - 27);
  input.evidence.anchors.back().waived = true;
  input.evidence.excluded_days = {DayOf(kBegin)};
  input.evidence.breakages = {{.kind = BreakageKind::kIncludeBroken,
                               .source_id = "exchange",
                               .name = "_spf.example.net",
                               .since = Noon(8),
                               .looks = 2,
                               .carried = true}};
  input.evidence.advisories = {"a stranger says something"};
  return input;
}

TEST(RolloutCodecTest, ReadsWhatVersionOneKept) {
  const auto state = DecodeState(ReadData("rollout/codec/state.v1.bytes"));
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(*state, FullState());
  const auto decision = DecodeDecision(ReadData("rollout/codec/decision.v1.bytes"));
  ASSERT_THAT(decision, IsOk());
  const auto input = DecodeInput(decision->input);
  ASSERT_THAT(input, IsOk());
  EXPECT_EQ(*input, SomeInput());
  // Its digest is that of the bytes of then, and it is decided now as it was.
  EXPECT_THAT(Replay(*decision), IsOk());
}

TEST(RolloutCodecTest, WhatVersionTwoAddedIsKept) {
  RolloutState state = FullState();
  state.confirmation->second_by = "bob";
  state.confirmation->second_time = Noon(3);
  EXPECT_EQ(DecodeState(EncodeState(state)).value(), state);
  DecisionInput input = SomeInput();
  input.evidence.control.why = "a; b";
  input.evidence.records.alias = "_dmarc.host.test";
  input.evidence.rules = {{{Noon(1), Noon(2), "year end"}}, true};
  input.evidence.decisions_settled = false;
  EXPECT_EQ(DecodeInput(EncodeInput(input)).value(), input);
}

TEST(RolloutCodecTest, ANewerVersionIsNotRead) {
  std::string bytes = EncodeState(FullState());
  const std::string version = std::to_string(kRolloutCodecVersion) + ";";
  const size_t at = bytes.find(version);
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, version.size(), std::to_string(kRolloutCodecVersion + 1) + ";");
  EXPECT_EQ(DecodeState(bytes).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace dmarcate
