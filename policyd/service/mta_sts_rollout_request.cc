#include "policyd/service/mta_sts_rollout_request.h"

#include <algorithm>
#include <array>

#include "absl/time/time.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/service/handler.h"

namespace dmarcate {
namespace {

constexpr std::string_view kSettings = "settings";
constexpr std::array<std::string_view, 7> kSettingsFields = {"settings.mx",
                                                             "settings.testing_days",
                                                             "settings.min_reporters",
                                                             "settings.failure_share",
                                                             "settings.testing_max_age_seconds",
                                                             "settings.enforce_max_age_seconds",
                                                             "settings.no_step_down"};
// Known, output only: named by clients that send back all they got, and without effect (AIP-161).
constexpr std::array<std::string_view, 18> kOutputOnly = {
    "name",        "etag",           "state",
    "stage",       "pause_reason",   "pause_detail",
    "pause_time",  "pending_change", "abort_to",
    "create_time", "created_by",     "stage_start_time",
    "file",        "record",         "next_file",
    "next_record", "next_file_time", "cached_until_time"};

template <typename T>
T Or(T value, T otherwise) {
  return value == T() ? otherwise : value;
}

absl::Duration AgeOr(int64_t seconds, absl::Duration otherwise) {
  return seconds == 0 ? otherwise : absl::Seconds(seconds);
}

// One field of the settings; bounds are the ladder's to check.
absl::Status EditField(const v1::MtaStsRolloutSettings& in, std::string_view path,
                       StsSettings& settings) {
  const StsSettings defaults;
  if (path == "settings.mx") {
    auto mx = NormalizeStsPatterns({in.mx().begin(), in.mx().end()});
    if (!mx.ok()) return FieldError("rollout.settings.mx", MessageOf(mx.status()));
    settings.mx = *std::move(mx);
  } else if (path == "settings.testing_days") {
    settings.testing_days = Or(in.testing_days(), defaults.testing_days);
  } else if (path == "settings.min_reporters") {
    settings.min_reporters = Or(in.min_reporters(), defaults.min_reporters);
  } else if (path == "settings.failure_share") {
    settings.failure_share = Or(in.failure_share(), defaults.failure_share);
  } else if (path == "settings.testing_max_age_seconds") {
    settings.testing_max_age = AgeOr(in.testing_max_age_seconds(), defaults.testing_max_age);
  } else if (path == "settings.enforce_max_age_seconds") {
    settings.enforce_max_age = AgeOr(in.enforce_max_age_seconds(), defaults.enforce_max_age);
  } else {
    settings.step_down = !in.no_step_down();
  }
  return absl::OkStatus();
}

absl::StatusOr<RolloutMode> ReadMode(v1::Rollout::Mode mode) {
  if (!v1::Rollout::Mode_IsValid(mode)) return FieldError("rollout.mode", "is no mode");
  if (mode == v1::Rollout::MODE_UNSPECIFIED) return RolloutMode::kConfirm;
  return static_cast<RolloutMode>(mode);  // numbered alike, mta_sts_rollout_view.cc
}

absl::StatusOr<StsStage> ReadTarget(v1::MtaStsRollout::Stage target) {
  if (target == v1::MtaStsRollout::STAGE_UNSPECIFIED) return StsStage::kEnforce;
  return ReadStsStage(target, "rollout.target");
}

}  // namespace

absl::StatusOr<StsStage> ReadStsStage(v1::MtaStsRollout::Stage stage, std::string_view field) {
  if (stage == v1::MtaStsRollout::STAGE_UNSPECIFIED) return FieldRequired(field);
  if (!v1::MtaStsRollout::Stage_IsValid(stage)) return FieldError(field, "is no stage");
  return static_cast<StsStage>(stage);
}

absl::StatusOr<StsState> ReadNewStsRollout(const v1::MtaStsRollout& in) {
  StsState state;
  DMARCATE_ASSIGN_OR_RETURN(state.mode, ReadMode(in.mode()));
  DMARCATE_ASSIGN_OR_RETURN(state.target, ReadTarget(in.target()));
  for (const std::string_view field : kSettingsFields) {
    if (field == "settings.mx") continue;
    DMARCATE_RETURN_IF_ERROR(EditField(in.settings(), field, state.settings));
  }
  return state;
}

absl::Status EditStsRollout(const v1::MtaStsRollout& in, const std::vector<std::string>& paths,
                            StsState& state) {
  if (paths.empty()) {
    return ReasonError(Reason::kUpdateMaskRequired,
                       "update_mask: required; name \"mode\", \"target\", \"settings\" or a field "
                       "of the settings, such as \"settings.mx\"",
                       {{"field", "update_mask"}});
  }
  for (const std::string& path : paths) {
    if (path == "mode") {
      DMARCATE_ASSIGN_OR_RETURN(state.mode, ReadMode(in.mode()));
    } else if (path == "target") {
      DMARCATE_ASSIGN_OR_RETURN(state.target, ReadTarget(in.target()));
    } else if (path == kSettings) {
      for (const std::string_view field : kSettingsFields) {
        DMARCATE_RETURN_IF_ERROR(EditField(in.settings(), field, state.settings));
      }
    } else if (std::ranges::find(kSettingsFields, path) != kSettingsFields.end()) {
      DMARCATE_RETURN_IF_ERROR(EditField(in.settings(), path, state.settings));
    } else if (std::ranges::find(kOutputOnly, path) == kOutputOnly.end()) {
      const std::string shown = path.substr(0, 100);
      return ReasonError(Reason::kUpdateMaskInvalid,
                         fmt::format("update_mask: there is no \"{}\"", EscapeForTerminal(shown)),
                         {{"field", "update_mask"}, {"path", shown}});
    }
  }
  return absl::OkStatus();
}

}  // namespace dmarcate
