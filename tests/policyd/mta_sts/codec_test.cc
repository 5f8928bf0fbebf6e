// What is kept of a ladder is read back, or said to be unreadable: bytes of another program, broken
// ones, and numbers that mean nothing.

#include "policyd/mta_sts/codec.h"

#include <functional>
#include <random>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/mta_sts/never_events.h"
#include "tests/policyd/mta_sts/mta_sts_testing.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;

StsDecisionInput Input() {
  StsState state = HealthySts(StsStage::kTesting);
  state.confirmation = StsConfirmation{"ann", Noon(20), StsStage::kEnforce, "file", 0.01};
  state.move = StsMove{StsStage::kEnforce, StsMoveKind::kUp, "file", "id", Noon(20), "why"};
  state.abort_to = StsStage::kOff;
  state.gates = {{StsGateId::kMx, true, Noon(3)}};
  StsEvidence evidence = HealthyStsEvidence(state, Noon(20));
  evidence.mx.hosts[0].faults = {MxFault::kExpired};
  evidence.failures = {{DayOf(Noon(3)), 0, "certificate-expired", "mx1.example.com", 2}};
  return {state, evidence, Noon(20)};
}

TEST(StsCodecTest, BytesOfAnotherVersionAreNotRead) {
  std::string bytes = EncodeStsState(HealthySts(StsStage::kTesting));
  const std::string head = "16:dmarcate mta-sts;1;";
  ASSERT_TRUE(bytes.starts_with(head)) << bytes.substr(0, 30);
  bytes.replace(0, head.size(), "16:dmarcate mta-sts;2;");
  const auto newer = DecodeStsState(bytes);
  EXPECT_EQ(newer.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(newer.status().message()), HasSubstr("version 2, this one reads 1"));
  bytes.replace(0, head.size(), "16:dmarcate rollout;1;");
  EXPECT_THAT(std::string(DecodeStsState(bytes).status().message()), HasSubstr("no such bytes"));
  EXPECT_EQ(DecodeStsState("").status().code(), absl::StatusCode::kDataLoss);
}

struct Meaningless {
  std::string name;
  std::function<void(StsDecisionInput&)> make;
};
const Meaningless kMeaningless[] = {
    {"Stage", [](auto& in) { in.state.stage = static_cast<StsStage>(0); }},
    {"Target", [](auto& in) { in.state.target = static_cast<StsStage>(9); }},
    {"Mode", [](auto& in) { in.state.mode = static_cast<RolloutMode>(0); }},
    {"Status", [](auto& in) { in.state.status = static_cast<RolloutStatus>(77); }},
    {"Pause", [](auto& in) { in.state.pause_reason = static_cast<StsPause>(6); }},
    {"MoveTo", [](auto& in) { in.state.move->to = static_cast<StsStage>(5); }},
    {"MoveKind", [](auto& in) { in.state.move->kind = static_cast<StsMoveKind>(0); }},
    {"Confirmed", [](auto& in) { in.state.confirmation->stage = static_cast<StsStage>(200); }},
    {"Abort", [](auto& in) { in.state.abort_to = static_cast<StsStage>(0); }},
    {"Gate", [](auto& in) { in.state.gates[0].id = static_cast<StsGateId>(kStsGates); }},
    {"Fault", [](auto& in) { in.evidence.mx.hosts[0].faults[0] = static_cast<MxFault>(0); }},
    {"Sight", [](auto& in) { in.evidence.file.sight = static_cast<FileSight>(4); }},
};
TEST(StsCodecTest, ANumberThatMeansNothingIsNoState) {
  ASSERT_TRUE(DecodeStsInput(EncodeStsInput(Input())).ok());
  for (const Meaningless& tested : kMeaningless) {
    SCOPED_TRACE(tested.name);
    StsDecisionInput input = Input();
    tested.make(input);
    EXPECT_EQ(DecodeStsInput(EncodeStsInput(input)).status().code(), absl::StatusCode::kDataLoss);
    if (input.evidence == Input().evidence) {
      EXPECT_FALSE(DecodeStsState(EncodeStsState(input.state)).ok());
    }
  }
  StsDecision decision = Record(Input(), {});
  ASSERT_TRUE(DecodeStsDecision(EncodeStsDecision(decision)).ok());
  decision.action = static_cast<StsAction>(0);
  EXPECT_FALSE(DecodeStsDecision(EncodeStsDecision(decision)).ok());
}

// Damage that the store's seal would have to miss: it is unreadable, or something is decided.
TEST(StsCodecTest, DamagedBytesHarmNobody) {
  const std::string bytes = EncodeStsInput(Input());
  std::mt19937_64 random(7);
  int read = 0;
  for (int i = 0; i < 5'000; ++i) {
    std::string damaged = bytes;
    const auto changes = 1 + random() % 3;
    for (uint64_t change = 0; change < changes; ++change) {
      const size_t at = random() % damaged.size();
      switch (random() % 3) {
        case 0:
          damaged[at] = "0123456789;:-"[random() % 13];
          break;
        case 1:
          damaged.erase(at, 1 + random() % 8);
          break;
        default:
          damaged.insert(at, std::string(1 + random() % 3, "0129;:-"[random() % 7]));
      }
    }
    const auto input = DecodeStsInput(damaged);
    if (!input.ok()) {
      ASSERT_EQ(input.status().code(), absl::StatusCode::kDataLoss);
      continue;
    }
    ++read;
    const std::string again = EncodeStsInput(*input);
    ASSERT_EQ(EncodeStsInput(DecodeStsInput(again).value()), again);
    const StsStep step = NextStep(input->state, input->evidence, input->now);
    ASSERT_FALSE(step.reason.empty());
    ASSERT_TRUE(Replay(Record(*input, step)).ok());
    (void)CheckNeverEvents(input->state, input->evidence, step, input->now);
  }
  EXPECT_GT(read, 200);
}

}  // namespace
}  // namespace dmarcate
