// policyd/mta_sts/settings.h
// What an operator may set about the MTA-STS ladder of a domain. Thresholds are bounded: nobody can
// make a gate meaningless. Pure.

#ifndef DMARCATE_POLICYD_MTA_STS_SETTINGS_H_
#define DMARCATE_POLICYD_MTA_STS_SETTINGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "policyd/rollout/settings.h"

namespace dmarcate {

struct StsSettings {
  // Patterns of the policy, normalized (policy_file.h). Named by a person, be it by accepting those
  // of the live MX records: they never follow the MX records by themselves, as these are what the
  // policy guards against forgery.
  std::vector<std::string> mx;
  // The comment gives default and floor (or ceiling) of each.
  int32_t testing_days = 14;                         // days with TLS reports in testing; at least 7
  int32_t min_reporters = 2;                         // at least 2
  double failure_share = 0.01;                       // of sessions; at most 0.02
  absl::Duration testing_max_age = absl::Hours(24);  // at least a day
  absl::Duration enforce_max_age = absl::Hours(30 * 24);  // at least a week, at most kMaxMtaStsAge
  std::vector<FreezeWindow> freezes;
  WorkingHours hours;
  bool step_down = true;  // to testing on breakage that we saw ourselves; AUTOMATIC only
  friend bool operator==(const StsSettings&, const StsSettings&) = default;
};

// kInvalidArgument: names the field, the value and its bound.
absl::Status CheckStsSettings(const StsSettings& settings);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_MTA_STS_SETTINGS_H_
