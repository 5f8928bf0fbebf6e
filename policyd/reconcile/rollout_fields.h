// policyd/reconcile/rollout_fields.h
// What a person sets of a rollout, at its start and later: what is refused, by which field, and how
// the log tells it.

#ifndef DMARCATE_POLICYD_RECONCILE_ROLLOUT_FIELDS_H_
#define DMARCATE_POLICYD_RECONCILE_ROLLOUT_FIELDS_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "policyd/rollout/state.h"

namespace dmarcate {

// kFailedPrecondition ROLLOUT_STATE: "rollout of example.com (p): WHY".
absl::Status WrongRolloutState(const RolloutState& state, std::string_view why);
// kInvalidArgument FIELD_INVALID: "FIELD: WHY".
absl::Status RolloutFieldInvalid(std::string_view field, std::string_view why);

// Target and settings, and what a target asks of the settings.
absl::Status CheckRolloutFields(const RolloutState& state);

// Absent: stays.
struct RolloutEdit {
  std::optional<PolicyStage> target;
  std::optional<RolloutMode> mode;
  std::optional<RolloutSettings> settings;
};
struct EditedRollout {
  RolloutState state;
  std::string told;  // "target quarantine, was observe; observe_days 40, was 30"; empty: nothing
};
// Whoever said yes said it to what was set before: that is void. A target above the one that was
// reached goes on from there.
//   kFailedPrecondition ROLLOUT_STATE  aborted, about to be, or a step is on its way
//   kInvalidArgument FIELD_INVALID     as CheckRolloutFields, and a target below where it stands
absl::StatusOr<EditedRollout> EditRollout(RolloutState state, const RolloutEdit& edit);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_ROLLOUT_FIELDS_H_
