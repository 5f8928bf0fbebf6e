// Bytes of an MTA-STS ladder (policyd/mta_sts/codec.h): what decodes encodes to bytes that decode
// and encode to the same; whatever was an input has a next step with a reason, the same each time,
// and the never-events judge it without harm.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "policyd/mta_sts/codec.h"
#include "policyd/mta_sts/explain.h"
#include "policyd/mta_sts/never_events.h"

namespace {

using namespace dmarcate;

template <typename T>
void KeepsIts(const T& value, std::string (*encode)(const T&),
              absl::StatusOr<T> (*decode)(std::string_view)) {
  const std::string bytes = encode(value);
  const absl::StatusOr<T> again = decode(bytes);
  if (!again.ok() || encode(*again) != bytes) std::abort();
}

void Decide(const StsDecisionInput& input) {
  const StsStep step = NextStep(input.state, input.evidence, input.now);
  if (step.reason.empty() || ExplainStep(input.state, step).empty()) std::abort();
  if (!Replay(Record(input, step)).ok()) std::abort();
  (void)CheckNeverEvents(input.state, input.evidence, step, input.now);
  KeepsIts(AfterDecision(input.state, step, input.now), EncodeStsState, DecodeStsState);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto state = DecodeStsState(bytes); state.ok()) {
    KeepsIts(*state, EncodeStsState, DecodeStsState);
  }
  if (const auto decision = DecodeStsDecision(bytes); decision.ok()) {
    KeepsIts(*decision, EncodeStsDecision, DecodeStsDecision);
    (void)Replay(*decision);
  }
  if (const auto input = DecodeStsInput(bytes); input.ok()) {
    KeepsIts(*input, EncodeStsInput, DecodeStsInput);
    Decide(*input);
  }
  return 0;
}
