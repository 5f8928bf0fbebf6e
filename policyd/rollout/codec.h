// policyd/rollout/codec.h
// What a decision was made from, as bytes: kept with each decision, so that it can be made again.
// Pure. Equal values, equal bytes; a text beside its length, numbers in decimal, times in
// nanoseconds since 1970, rates as the bits of their double.
//
// The first field is kRolloutCodecVersion. It grows with every change of a struct here, and the
// numbers of the enums never change their meaning. Bytes of each version since kOldestRolloutCodec
// are read; what they do not have has its default. A policyd of before does not read newer ones.

#ifndef DMARCATE_POLICYD_ROLLOUT_CODEC_H_
#define DMARCATE_POLICYD_ROLLOUT_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "policyd/rollout/evidence.h"
#include "policyd/rollout/next_step.h"
#include "policyd/rollout/state.h"

namespace dmarcate {

// 2: two people, rules, aliases, why nothing is written, unsettled decisions.
inline constexpr int64_t kRolloutCodecVersion = 2;
inline constexpr int64_t kOldestRolloutCodec = 1;

std::string EncodeState(const RolloutState& state);
//   kDataLoss  not such bytes, or of another version
absl::StatusOr<RolloutState> DecodeState(std::string_view bytes);

struct DecisionInput {
  RolloutState state;
  Evidence evidence;
  absl::Time now;
  friend bool operator==(const DecisionInput&, const DecisionInput&) = default;
};
std::string EncodeInput(const DecisionInput& input);
absl::StatusOr<DecisionInput> DecodeInput(std::string_view bytes);

// One line of the decision log.
struct Decision {
  absl::Time time;
  std::string input_digest;  // 64 hex digits: SHA-256 of `input`
  std::string input;         // EncodeInput
  StepAction action = StepAction::kHold;
  PolicyStage from = PolicyStage::kObserve, to = PolicyStage::kObserve;
  std::string reason;
};
Decision Record(const DecisionInput& input, const Step& step);
// Makes the decision again.
//   kDataLoss            the bytes do not have the digest, or do not decode
//   kFailedPrecondition  another answer now; names both
absl::Status Replay(const Decision& decision);

std::string EncodeDecision(const Decision& decision);
absl::StatusOr<Decision> DecodeDecision(std::string_view bytes);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ROLLOUT_CODEC_H_
