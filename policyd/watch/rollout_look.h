// policyd/watch/rollout_look.h
// What a person should know about the rollouts of one domain, out of what is kept of them. Pure.
//
//   ROLLOUT_READY    the next step waits for a person
//   ROLLOUT_BLOCKED  the stage has lasted long enough, and something else keeps it from the next
//                    one: a gate that has been closed for a day, a step that failed, or no evidence
//   ROLLOUT_PAUSED   it climbs no more until a person has looked
//   POLICY_LOWERED   what is published does less to failing mail than before (never-event R15); one
//                    for each time, for an hour at least
//
// Gates that open by themselves (days in the stage, working hours) block nothing.

#ifndef DMARCATE_POLICYD_WATCH_ROLLOUT_LOOK_H_
#define DMARCATE_POLICYD_WATCH_ROLLOUT_LOOK_H_

#include <vector>

#include "absl/time/time.h"

#include "lib/mailauth/domain_name.h"
#include "lib/store/rollout_store.h"
#include "policyd/rollout/state.h"
#include "policyd/watch/insight_look.h"

namespace dmarcate {

inline constexpr absl::Duration kBlockedTold = absl::Hours(24);
// A lowering is no longer news after that; or after an hour, once a person has acted on a rollout
// of the domain, or the policy was raised.
inline constexpr absl::Duration kLoweredTold = absl::Hours(7 * 24);
inline constexpr absl::Duration kLoweredStays = absl::Hours(1);

struct RolloutSight {
  RolloutState state;
  // Newest first; those of the last kLoweredTold, and the one before them.
  std::vector<RolloutLogRecord> log;
};

// `rollouts`: all of the domain. A decision whose bytes do not decode is not learned, and then
// nothing is gone.
InsightLook LookAtRollouts(const DomainName& domain, const std::vector<RolloutSight>& rollouts,
                           absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_WATCH_ROLLOUT_LOOK_H_
