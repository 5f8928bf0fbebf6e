// policyd/fleet/fleet_step.h
// What to do next in a change of many domains: begin with a domain, wait, pause because too many
// have failed, or end. Pure: the engine (policyd/reconcile/fleet_engine.h) says how things stand
// and does what comes out.

#ifndef DMARCATE_POLICYD_FLEET_FLEET_STEP_H_
#define DMARCATE_POLICYD_FLEET_FLEET_STEP_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "lib/store/fleet_store.h"

namespace dmarcate {

// One member as it stands now.
struct FleetSeat {
  FleetMemberState state = FleetMemberState::kUnplanned;
  bool canary = false;
  bool busy = false;   // a thread is at work on it
  bool begun = false;  // its change may have written and has not ended: servers are behind, ...
  size_t account = 0;  // members of one account have the same number
  // Monotonic: nothing is to be done about it before.
  absl::Duration not_before = absl::ZeroDuration();
};

struct FleetBounds {
  uint32_t parallel = 8;     // members that are worked on at once; a fleet may ask for fewer
  uint32_t per_account = 4;  // of them, of one account
  // Members that are begun, not worked on, and not ended. More do not begin: while the servers of
  // all are behind, nothing is known about whether the change is a good one.
  uint32_t unverified = 32;
};

struct FleetStep {
  enum class Kind : uint8_t {
    kBegin,  // with `seat`: plan, apply, look again or withdraw it, as state and seat say
    kWait,   // until a thread is done, or for `wake`
    kPause,  // `reason` and `message` say why
    kEnd,    // of planning, of the apply, of the cancelling
  };
  Kind kind = Kind::kWait;
  size_t seat = 0;
  absl::Duration wake = absl::InfiniteDuration();  // from now
  std::string reason, message;
};

inline constexpr char kPausedByCanary[] = "CANARY_FAILED";
inline constexpr char kPausedByBudget[] = "FAILURE_BUDGET";
inline constexpr char kPausedByOperator[] = "OPERATOR";

// `seats` in the order of the members; canaries come first wherever they stand.
FleetStep NextFleetStep(const FleetRecord& fleet, const std::vector<FleetSeat>& seats,
                        const FleetBounds& bounds, absl::Duration now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_FLEET_FLEET_STEP_H_
