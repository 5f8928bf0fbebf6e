// policyd/rollout/next_step.h
// The next step of one rollout: values in, a step and its reason out. `now` is an argument, so a
// year of rollout is a table in a test. Pure: equal input, equal step, whatever was restarted.
//
// Up only while every gate holds on ANCHORED evidence. Down by itself only on breakage that we saw
// in the live DNS ourselves, one stage in 24 hours. A record that somebody else changed pauses the
// rollout; nothing is ever fought over.

#ifndef DMARCATE_POLICYD_ROLLOUT_NEXT_STEP_H_
#define DMARCATE_POLICYD_ROLLOUT_NEXT_STEP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "policyd/rollout/evidence.h"
#include "policyd/rollout/gates.h"
#include "policyd/rollout/state.h"

namespace dmarcate {

// The numbers are at rest.
enum class StepAction : uint8_t {
  kHold = 1,      // nothing; `reason` says what is missing
  kReady = 2,     // all but a person's yes (CONFIRM), or a person's hand (ADVISE)
  kStepUp = 3,    // publish `to`
  kStepDown = 4,  // publish `to`, and pause: breakage that we saw
  kAbort = 5,     // publish `to`: a person asked for it
  kPause = 6,     // stop climbing until a person has looked
  kComplete = 7,  // the target is reached
};
std::string_view ToString(StepAction action);  // "step-up"

struct Step {
  StepAction action = StepAction::kHold;
  PolicyStage to =
      PolicyStage::kObserve;  // kStepUp, kStepDown, kAbort, kReady; else where it stands
  std::string reason;         // a sentence; never empty
  absl::Time ask_again;       // when the answer may be another one
  PauseReason pause = PauseReason::kNone;  // kPause and kStepDown
  std::string pause_detail;
  std::vector<Gate> gates;  // all of them, if a next stage exists and nothing came before
  std::optional<PolicyImpact> impact;      // of the next stage
  std::vector<std::string> next_commands;  // what a person would type
  bool alert = false;                      // a person should be told now
  friend bool operator==(const Step&, const Step&) = default;
};

Step NextStep(const RolloutState& state, const Evidence& evidence, absl::Time now);

// The state after a step that writes no DNS (kHold, kReady, kPause, kComplete): pause, status and
// the memory of the gates. For the others: the memory of the gates only.
RolloutState AfterDecision(RolloutState state, const Step& step, absl::Time now);

// The state once the change of `step` is verified live on every server. `now`: when.
RolloutState AfterPublished(RolloutState state, const Step& step, absl::Time now);

// The one DMARC record of the evidence; absent: none, several, or it does not parse.
std::optional<DmarcRecord> LiveRecord(const Evidence& evidence);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ROLLOUT_NEXT_STEP_H_
