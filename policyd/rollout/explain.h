// policyd/rollout/explain.h
// A step in words: the text that is stored with it, mailed and shown. Pure.

#ifndef DMARCATE_POLICYD_ROLLOUT_EXPLAIN_H_
#define DMARCATE_POLICYD_ROLLOUT_EXPLAIN_H_

#include <string>
#include <string_view>

#include "policyd/rollout/gates.h"
#include "policyd/rollout/next_step.h"
#include "policyd/rollout/state.h"

namespace dmarcate {

// Several lines: where the ladder stands, the decision and why, each gate with what was measured,
// what is required, since when and the command that shows the evidence, the impact of the next
// stage by source, what to type next. Ends with a line feed.
std::string ExplainStep(const RolloutState& state, const Step& step);

// "G1 coverage", "loss-bound": the gate for people. A name that only repeats the id is not said
// twice.
std::string GateTitle(GateId id, std::string_view name);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ROLLOUT_EXPLAIN_H_
