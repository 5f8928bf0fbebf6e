#include "policyd/rollout/settings.h"

#include <cmath>
#include <string_view>

#include "lib/base/status_macros.h"
#include "lib/base/time.h"

namespace dmarcate {
namespace {

absl::Status Refuse(std::string_view field, std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, fmt::format("{}: {}", field, what));
}

template <typename T>
absl::Status CheckRange(std::string_view field, T value, T low, T high) {
  if (value >= low && value <= high) return absl::OkStatus();  // NaN is in no range
  return Refuse(field, fmt::format("{} is not in {} to {}", value, low, high));
}

}  // namespace

absl::Status CheckSettings(const RolloutSettings& settings) {
  const GateSettings& gates = settings.gates;
  DMARCATE_RETURN_IF_ERROR(CheckRange("observe_days", gates.observe_days, 14, 365));
  DMARCATE_RETURN_IF_ERROR(CheckRange("test_days", gates.test_days, 3, 365));
  DMARCATE_RETURN_IF_ERROR(CheckRange("quarantine_days", gates.quarantine_days, 14, 365));
  DMARCATE_RETURN_IF_ERROR(CheckRange("min_anchors", gates.min_anchors, 2, 20));
  DMARCATE_RETURN_IF_ERROR(CheckRange("covered_days", gates.covered_days, 20, 30));
  if (gates.freshness < absl::Hours(24) || gates.freshness > absl::Hours(168)) {
    return Refuse("freshness", fmt::format("{} hours are not in 24 to 168",
                                           absl::ToInt64Hours(gates.freshness)));
  }
  DMARCATE_RETURN_IF_ERROR(CheckRange<int64_t>("source_floor", gates.source_floor, 1, 500));
  DMARCATE_RETURN_IF_ERROR(CheckRange("source_aligned", gates.source_aligned, 0.97, 1.0));
  DMARCATE_RETURN_IF_ERROR(CheckRange("source_dkim", gates.source_dkim, 0.95, 1.0));
  DMARCATE_RETURN_IF_ERROR(CheckRange("unexplained", gates.unexplained, 0.0, 0.02));
  DMARCATE_RETURN_IF_ERROR(CheckRange("forwarding_loss", gates.forwarding_loss, 0.0, 0.05));
  DMARCATE_RETURN_IF_ERROR(CheckRange("receiver_proof", gates.receiver_proof, 0.5, 1.0));
  DMARCATE_RETURN_IF_ERROR(CheckRange("signed_impact", gates.signed_impact, 0.0, 0.02));
  for (const FreezeWindow& freeze : settings.freezes) {
    if (freeze.begin >= freeze.end) {
      return Refuse("freezes", fmt::format("a window ends at {}, before it begins",
                                           FormatRfc3339(freeze.end)));
    }
  }
  const WorkingHours& hours = settings.hours;
  if (hours.from_minute < 0 || hours.to_minute > 24 * 60 || hours.from_minute >= hours.to_minute) {
    return Refuse("hours", fmt::format("minutes {} to {} are no part of a day", hours.from_minute,
                                       hours.to_minute));
  }
  DMARCATE_RETURN_IF_ERROR(
      CheckRange("hours.utc_offset_minutes", hours.utc_offset_minutes, -720, 840));
  for (const bool day : hours.days) {
    if (day) return absl::OkStatus();
  }
  return Refuse("hours", "no day of the week is a working day");
}

}  // namespace dmarcate
