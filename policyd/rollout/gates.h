// policyd/rollout/gates.h
// The gates that must all hold before a step up (reference/safety.md 6.2, DESIGN section 9
// and 13.9). Each says what was measured, what is required, since when it is so, and the command
// that shows the evidence. Pure.

#ifndef DMARCATE_POLICYD_ROLLOUT_GATES_H_
#define DMARCATE_POLICYD_ROLLOUT_GATES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "policyd/rollout/evidence.h"
#include "policyd/rollout/state.h"

namespace dmarcate {

struct Gate {
  GateId id = GateId::kDwell;
  bool holds = false;
  bool waits_for_person =
      false;             // would hold with a person's yes; G9, and the bound of DESIGN 13.9
  std::string name;      // "coverage"
  std::string measured;  // "3 anchors, 28 of the last 30 days, newest report 9 h old"
  std::string required;  // "at least 2 anchors, 25 of 30 days, under 72 h, none silent"
  absl::Time since;      // has been holding, or failing, since then
  std::string command;   // "dmarcate reports reporters"
  std::vector<std::string> notes;  // what else a person should see: low-volume sources, names
  friend bool operator==(const Gate&, const Gate&) = default;
};

// What the policy of the next stage would have done to the mail of the last 30 days (gate G9).
struct SourceImpact {
  std::string source_id;
  SourceStanding standing = SourceStanding::kPending;
  int64_t messages = 0, touched = 0,
          forwarded = 0;  // touched: would not have been delivered as now
  friend bool operator==(const SourceImpact&, const SourceImpact&) = default;
};
struct PolicyImpact {
  std::vector<SourceImpact> sources;       // those with touched mail, most first, then by id
  int64_t messages = 0, touched = 0;       // of all sources
  int64_t wanted = 0, wanted_touched = 0;  // of approved ones and those that look legitimate
  double share() const;                    // wanted_touched of wanted; 0 without mail
  friend bool operator==(const PolicyImpact&, const PolicyImpact&) = default;
};
PolicyImpact MeasureImpact(const RolloutState& state, const Evidence& evidence, absl::Time now);

// All kGates of them, by id, for the step from `state.stage` to `next`.
std::vector<Gate> EvaluateGates(const RolloutState& state, const Evidence& evidence,
                                PolicyStage next, absl::Time now);

// Days with reports that the stage must last before `next`: those of a test stage that is left out
// are spent in the stage before it.
int32_t DwellDays(const RolloutState& state, PolicyStage next);

// Whether the confirmation of `state` is for this step, on this evidence, and not older than a
// week, whoever else is wanted.
bool IsSaidYes(const RolloutState& state, const Evidence& evidence, PolicyStage next,
               absl::Time now);
// And so many people have said it as are wanted.
bool IsConfirmed(const RolloutState& state, const Evidence& evidence, PolicyStage next,
                 absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ROLLOUT_GATES_H_
