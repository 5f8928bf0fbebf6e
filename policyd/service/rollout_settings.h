// policyd/service/rollout_settings.h
// Settings of a rollout as messages of the API, and back.

#ifndef DMARCATE_POLICYD_SERVICE_ROLLOUT_SETTINGS_H_
#define DMARCATE_POLICYD_SERVICE_ROLLOUT_SETTINGS_H_

#include "absl/status/statusor.h"

#include "dmarcate/v1/rollout.pb.h"
#include "policyd/reconcile/rollout_fields.h"
#include "policyd/rollout/settings.h"
#include "policyd/rollout/state.h"

namespace dmarcate {

// Every field is set.
void FillSettings(const RolloutSettings& settings, v1::RolloutSettings* out);
// What is left out has its default. Bounds are CheckSettings'.
//   kInvalidArgument FIELD_INVALID, FIELD_TOO_LONG  what no setting can hold; the field is named
absl::StatusOr<RolloutSettings> ReadSettings(const v1::RolloutSettings& in);

// "rollout.target" and "rollout.mode"; unspecified: the default.
absl::StatusOr<PolicyStage> ReadTarget(v1::Rollout::Stage stage);
absl::StatusOr<RolloutMode> ReadMode(v1::Rollout::Mode mode);

// What `in` asks to be set of `state`, by the paths of its mask.
//   kInvalidArgument UPDATE_MASK_REQUIRED, UPDATE_MASK_INVALID, and as ReadSettings
absl::StatusOr<RolloutEdit> ReadEdit(const v1::UpdateRolloutRequest& in, const RolloutState& state);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_ROLLOUT_SETTINGS_H_
