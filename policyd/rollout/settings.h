// policyd/rollout/settings.h
// What an operator may set about a rollout. Thresholds are bounded from below: nobody can make a
// gate meaningless. Pure.

#ifndef DMARCATE_POLICYD_ROLLOUT_SETTINGS_H_
#define DMARCATE_POLICYD_ROLLOUT_SETTINGS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace dmarcate {

// A span in which nothing is published.
struct FreezeWindow {
  absl::Time begin, end;
  std::string reason;  // "year end"
  friend bool operator==(const FreezeWindow&, const FreezeWindow&) = default;
};

// When somebody is there to look at a step. In local time, without daylight saving.
struct WorkingHours {
  std::array<bool, 7> days{true, true, true, true, true, false, false};  // Monday first
  int32_t from_minute = 0, to_minute = 24 * 60;                          // of the day; to: excluded
  int32_t utc_offset_minutes = 0;
  friend bool operator==(const WorkingHours&, const WorkingHours&) = default;
};

// Rates are shares of 1. The comment gives default and floor (or ceiling) of each.
struct GateSettings {
  int32_t observe_days = 30;     // days with reports before the first step; at least 14
  int32_t test_days = 7;         // in a test stage; at least 3
  int32_t quarantine_days = 30;  // at quarantine; at least 14
  int32_t min_anchors = 2;       // at least 2
  int32_t covered_days = 25;     // of the last 30; at least 20
  absl::Duration freshness = absl::Hours(72);  // age of the newest anchor report; at most 168 h
  int64_t source_floor = 50;      // messages from which a source has a rate; at most 500
  double source_aligned = 0.99;   // of each approved source; at least 0.97
  double source_dkim = 0.98;      // by DKIM, for reject; at least 0.95
  double unexplained = 0.005;     // share of legitimate-looking mail; at most 0.02
  double forwarding_loss = 0.01;  // through forwarders and lists; at most 0.05
  double receiver_proof = 0.8;    // share of volume that has seen the policy; at least 0.5
  // AUTOMATIC signs G9 by itself up to this share of all mail that the next stage would touch and
  // that is not of rejected sources; at most 0.02.
  double signed_impact = 0.01;
  friend bool operator==(const GateSettings&, const GateSettings&) = default;
};

struct RolloutSettings {
  GateSettings gates;
  std::vector<FreezeWindow> freezes;
  WorkingHours hours;
  // People of the domain write to mailing lists (RFC 9989 section 7.4): reject then needs
  // `accepted_loss`.
  bool ordinary_mailboxes = true;
  // The sentence with which an operator accepted what is lost through lists and forwarders; empty:
  // nobody has.
  std::string accepted_loss;
  std::vector<std::string> waived_sources;  // approved sources without mail, by id (gate G5)
  bool step_down = true;  // one stage down on breakage that we saw ourselves; AUTOMATIC only
  friend bool operator==(const RolloutSettings&, const RolloutSettings&) = default;
};

// kInvalidArgument: names the field, the value and its bound.
absl::Status CheckSettings(const RolloutSettings& settings);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ROLLOUT_SETTINGS_H_
