// policyd/mta_sts/gates.h
// The gates that must all hold before another MTA-STS policy file is served. Each says what was
// measured, what is required, since when it is so, and the command that shows the evidence. Pure.

#ifndef DMARCATE_POLICYD_MTA_STS_GATES_H_
#define DMARCATE_POLICYD_MTA_STS_GATES_H_

#include <string>
#include <vector>

#include "absl/time/time.h"

#include "policyd/mta_sts/evidence.h"
#include "policyd/mta_sts/state.h"

namespace dmarcate {

struct StsGate {
  StsGateId id = StsGateId::kDwell;
  bool holds = false;
  bool waits_for_person = false;   // would hold with a person's yes
  std::string name;                // "TLS reports"
  std::string measured, required;  // "0 of 5400 sessions failed: at most 0.09 %"
  absl::Time since;                // has been holding, or failing, since then
  std::string command;             // "dmarcate tls summary example.com"
  std::vector<std::string> notes;  // what else a person should see: failures by type, weak hosts
  friend bool operator==(const StsGate&, const StsGate&) = default;
};

// All kStsGates of them, by id, for the step from `state.stage` to `next` (kTesting or kEnforce;
// the same stage: only its file changes). What a gate does not ask of this step holds and says so.
std::vector<StsGate> EvaluateStsGates(const StsState& state, const StsEvidence& evidence,
                                      StsStage next, absl::Time now);

// The gate about MX hosts alone, for which the rest of the way waits, too. `since` is not filled
// in.
StsGate JudgeStsMx(const StsState& state, const StsEvidence& evidence, StsStage next,
                   absl::Time now);

// The gate about failed sessions alone, for the id of a file that is on its way to `next`: what was
// reported while it was may be worse. Who signed a bound has signed it until the id is published.
StsGate JudgeStsFailures(const StsState& state, const StsEvidence& evidence, StsStage next,
                         absl::Time now);

// The gate about freezes and working hours alone: an id is published in them as little as a file.
StsGate JudgeStsWindow(const StsState& state, const StsEvidence& evidence, absl::Time now);

// Whether somebody has said yes to this step and this file, not more than a week ago.
bool IsStsSaidYes(const StsState& state, StsStage next, absl::Time now);
// The same, and somebody else, where two are wanted.
bool IsStsConfirmed(const StsState& state, const StsEvidence& evidence, StsStage next,
                    absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_MTA_STS_GATES_H_
