// policyd/mta_sts/step_parts.h
// The parts that NextStep is put together from. For next_step.cc, moves.cc and trouble.cc only.

#ifndef DMARCATE_POLICYD_MTA_STS_STEP_PARTS_H_
#define DMARCATE_POLICYD_MTA_STS_STEP_PARTS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"

#include "policyd/mta_sts/next_step.h"

namespace dmarcate {

inline constexpr absl::Duration kStsRecheck = absl::Hours(1);
inline constexpr absl::Duration kFreshStsRecords = absl::Hours(6);

// A step that stays where it is.
StsStep MakeStsStep(const StsState& state, StsAction action, std::string reason,
                    absl::Time ask_again);
StsStep HoldSts(const StsState& state, absl::Time now, std::string reason);
// A ladder that is paused already stays as it is.
StsStep PauseSts(const StsState& state, absl::Time now, StsPause why, std::string detail);
std::string StsPausedText(const StsState& state);

// The file of `to` is to be served.
StsStep ServeSts(const StsState& state, absl::Time now, StsStage to, StsMoveKind kind,
                 std::string reason);
// Of a state with a move: the file that is on its way. Is it there, and may its id follow?
StsStep OnStsMove(const StsState& state, const StsEvidence& evidence, absl::Time now);
// Of a state with `abort_to`. Needs neither reports nor gates, but the file first and the record as
// it was, like any other step.
StsStep OnStsAbort(const StsState& state, const StsEvidence& evidence, absl::Time now);

// Somebody else changed what we publish.
std::optional<StsStep> OnStsDrift(const StsState& state, const StsEvidence& evidence,
                                  absl::Time now);
// MX hosts to which senders would not deliver, or soon not.
std::optional<StsStep> OnStsMxTrouble(const StsState& state, const StsEvidence& evidence,
                                      absl::Time now);
// Sessions that fail for certain, by anchors' reports of the last days.
std::optional<StsStep> OnStsFailures(const StsState& state, const StsEvidence& evidence,
                                     absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_MTA_STS_STEP_PARTS_H_
