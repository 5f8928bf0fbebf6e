#include "policyd/mta_sts/settings.h"

#include "lib/base/status_macros.h"
#include "lib/mailauth/mta_sts_policy.h"
#include "policyd/mta_sts/policy_file.h"

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

absl::Status CheckAge(std::string_view field, absl::Duration age, absl::Duration low) {
  if (age != absl::Trunc(age, absl::Seconds(1))) return Refuse(field, "no whole seconds");
  return CheckRange(field, absl::ToInt64Seconds(age), absl::ToInt64Seconds(low),
                    absl::ToInt64Seconds(kMaxMtaStsAge));
}

}  // namespace

absl::Status CheckStsSettings(const StsSettings& settings) {
  const auto patterns = NormalizeStsPatterns(settings.mx);
  if (!patterns.ok()) return Refuse("mx", MessageOf(patterns.status()));
  if (*patterns != settings.mx) return Refuse("mx", "not in normal form");
  DMARCATE_RETURN_IF_ERROR(CheckRange("testing_days", settings.testing_days, 7, 365));
  DMARCATE_RETURN_IF_ERROR(CheckRange("min_reporters", settings.min_reporters, 2, 20));
  DMARCATE_RETURN_IF_ERROR(CheckRange("failure_share", settings.failure_share, 0.0001, 0.02));
  DMARCATE_RETURN_IF_ERROR(CheckAge("testing_max_age", settings.testing_max_age, absl::Hours(24)));
  DMARCATE_RETURN_IF_ERROR(
      CheckAge("enforce_max_age", settings.enforce_max_age, absl::Hours(7 * 24)));
  // The fields of the window are those of a rollout of DMARC, and so are their bounds.
  RolloutSettings window;
  window.freezes = settings.freezes;
  window.hours = settings.hours;
  return CheckSettings(window);
}

}  // namespace dmarcate
