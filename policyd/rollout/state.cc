#include "policyd/rollout/state.h"

#include <array>

namespace dmarcate {

std::string_view ToString(GateId id) {
  static constexpr std::array<std::string_view, kGates> kNames = {
      "dwell",         "G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9", "G10", "loss-bound",
      "receiver-proof"};
  return kNames[static_cast<size_t>(id)];
}

std::string_view ToString(PauseReason reason) {
  switch (reason) {
    case PauseReason::kNone:
      return "none";
    case PauseReason::kOperator:
      return "operator";
    case PauseReason::kDrift:
      return "drift";
    case PauseReason::kSourceFailing:
      return "source failing";
    case PauseReason::kNewSource:
      return "new source";
    case PauseReason::kBreakage:
      return "breakage";
    case PauseReason::kAttention:
      return "attention";
  }
  return "unknown";
}

std::string_view ToString(RolloutMode mode) {
  switch (mode) {
    case RolloutMode::kAdvise:
      return "advise";
    case RolloutMode::kConfirm:
      return "confirm";
    case RolloutMode::kAutomatic:
      return "automatic";
  }
  return "unknown";
}

std::string_view ToString(RolloutStatus status) {
  switch (status) {
    case RolloutStatus::kActive:
      return "active";
    case RolloutStatus::kPaused:
      return "paused";
    case RolloutStatus::kCompleted:
      return "completed";
    case RolloutStatus::kAborted:
      return "aborted";
  }
  return "unknown";
}

}  // namespace dmarcate
