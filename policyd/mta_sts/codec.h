// policyd/mta_sts/codec.h
// What a decision about MTA-STS was made from, as bytes (lib/base/field_archive.h): kept with each
// decision, so that it can be made again. Pure.

#ifndef DMARCATE_POLICYD_MTA_STS_CODEC_H_
#define DMARCATE_POLICYD_MTA_STS_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "policyd/mta_sts/evidence.h"
#include "policyd/mta_sts/next_step.h"
#include "policyd/mta_sts/state.h"

namespace dmarcate {

// Grows with every change of a struct of state.h, settings.h or evidence.h; bytes of another
// version are not read.
inline constexpr int64_t kStsCodecVersion = 1;

std::string EncodeStsState(const StsState& state);
//   kDataLoss  not such bytes, of another version, or with a number that is none of its enum's
absl::StatusOr<StsState> DecodeStsState(std::string_view bytes);

struct StsDecisionInput {
  StsState state;
  StsEvidence evidence;
  absl::Time now;
  friend bool operator==(const StsDecisionInput&, const StsDecisionInput&) = default;
};
std::string EncodeStsInput(const StsDecisionInput& input);
absl::StatusOr<StsDecisionInput> DecodeStsInput(std::string_view bytes);

// One line of the decision log.
struct StsDecision {
  absl::Time time;
  std::string input_digest;  // 64 hex digits: SHA-256 of `input`
  std::string input;         // EncodeStsInput
  StsAction action = StsAction::kHold;
  StsStage from = StsStage::kOff, to = StsStage::kOff;
  std::string file, id;  // as StsStep
  std::string reason;
  friend bool operator==(const StsDecision&, const StsDecision&) = default;
};
StsDecision Record(const StsDecisionInput& input, const StsStep& step);
// Makes the decision again.
//   kDataLoss            the bytes do not have the digest, or do not decode
//   kFailedPrecondition  another answer now; names both
absl::Status Replay(const StsDecision& decision);

std::string EncodeStsDecision(const StsDecision& decision);
absl::StatusOr<StsDecision> DecodeStsDecision(std::string_view bytes);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_MTA_STS_CODEC_H_
