// policyd/rollout/never_events.h
// The last look before a step is written: what must never happen (reference/safety.md 6.4), judged
// from the raw evidence and not from the gates, so that a mistake in a gate is not one here. Called
// by the controller right before each write, and by the simulator after each step. Pure.
//
// R6 to R9 and R16 are about the record that is written and are the guards of the plan
// (policyd/plan); R11 and R15, that each step has a stored reason and a lowering an alert, are the
// controller's.

#ifndef DMARCATE_POLICYD_ROLLOUT_NEVER_EVENTS_H_
#define DMARCATE_POLICYD_ROLLOUT_NEVER_EVENTS_H_

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "policyd/rollout/next_step.h"

namespace dmarcate {

//   kFailedPrecondition  names the never-event: "R2: from observe to reject skips a stage"
absl::Status CheckNeverEvents(const RolloutState& state, const Evidence& evidence, const Step& step,
                              absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ROLLOUT_NEVER_EVENTS_H_
