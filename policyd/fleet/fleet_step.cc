#include "policyd/fleet/fleet_step.h"

#include <algorithm>
#include <functional>
#include <map>

#include "fmt/format.h"

#include "policyd/fleet/fleet_plan.h"

namespace dmarcate {
namespace {

// What all seats together say.
struct Hall {
  uint32_t busy = 0, unverified = 0, failures = 0, failed_canaries = 0;
  bool canary_open = false;
  bool any_left = false;   // a seat that this stage has something to do about
  bool any_begun = false;  // or somebody is at work
  std::map<size_t, uint32_t> busy_of_account;
};

bool IsLeft(FleetState stage, const FleetSeat& seat) {
  if (stage == FleetState::kPlanning) return seat.state == FleetMemberState::kUnplanned;
  return seat.state == FleetMemberState::kPlanned ||
         (stage == FleetState::kCancelling && seat.state == FleetMemberState::kUnplanned);
}

Hall Survey(FleetState stage, const std::vector<FleetSeat>& seats) {
  Hall hall;
  for (const FleetSeat& seat : seats) {
    if (seat.busy) {
      ++hall.busy;
      ++hall.busy_of_account[seat.account];
    } else if (seat.begun) {
      ++hall.unverified;
    }
    hall.any_begun = hall.any_begun || seat.busy || seat.begun;
    hall.any_left = hall.any_left || IsLeft(stage, seat);
    if (IsFailure(seat.state)) {
      ++hall.failures;
      if (seat.canary) ++hall.failed_canaries;
    }
    hall.canary_open =
        hall.canary_open || (seat.canary && seat.state == FleetMemberState::kPlanned);
  }
  return hall;
}

FleetStep Pause(const char* reason, std::string message) {
  FleetStep step;
  step.kind = FleetStep::Kind::kPause;
  step.reason = reason;
  step.message = std::move(message);
  return step;
}

// Whether too much has gone wrong since a person last said that it may go on.
FleetStep JudgeFailures(const FleetRecord& fleet, const Hall& hall) {
  if (hall.failed_canaries > fleet.accepted_failures) {
    return Pause(kPausedByCanary,
                 fmt::format("{} of the first domains failed; no other has begun because of it",
                             hall.failed_canaries));
  }
  const uint32_t failures = hall.failures - std::min(hall.failures, fleet.accepted_failures);
  if (failures > fleet.limits.max_failures) {
    return Pause(kPausedByBudget,
                 fmt::format("{} domains failed, limit {}", failures, fleet.limits.max_failures));
  }
  return {};
}

}  // namespace

FleetStep NextFleetStep(const FleetRecord& fleet, const std::vector<FleetSeat>& seats,
                        const FleetBounds& bounds, absl::Duration now) {
  FleetStep step;
  if (!IsOpen(fleet.state)) return step;  // a person is waited for, or it is over
  const Hall hall = Survey(fleet.state, seats);
  const bool applying = fleet.state == FleetState::kApplying;
  if (!hall.any_left && !hall.any_begun) {
    step.kind = FleetStep::Kind::kEnd;
    return step;
  }
  if (applying) {
    FleetStep judged = JudgeFailures(fleet, hall);
    if (judged.kind == FleetStep::Kind::kPause) return judged;
  }
  const uint32_t parallel = applying && fleet.limits.parallel > 0
                                ? std::min(fleet.limits.parallel, bounds.parallel)
                                : bounds.parallel;
  if (hall.busy >= parallel) return step;
  const auto may_begin = [&](const FleetSeat& seat) {
    if (seat.begun) return true;  // to its end, whatever the stage
    if (!IsLeft(fleet.state, seat) || fleet.state == FleetState::kPaused) return false;
    if (!applying) return true;
    return hall.unverified < bounds.unverified && (seat.canary || !hall.canary_open);
  };
  bool chosen = false;
  for (size_t i = 0; i < seats.size(); ++i) {
    const FleetSeat& seat = seats[i];
    if (seat.busy || !may_begin(seat)) continue;
    if (seat.not_before > now) {
      step.wake = std::min(step.wake, seat.not_before - now);
      continue;
    }
    const auto busy = hall.busy_of_account.find(seat.account);
    if (busy != hall.busy_of_account.end() && busy->second >= bounds.per_account) continue;
    // What was begun is brought to its end first; else the first one.
    if (chosen && !(seat.begun && !seats[step.seat].begun)) continue;
    chosen = true;
    step.kind = FleetStep::Kind::kBegin;
    step.seat = i;
    if (seat.begun) break;
  }
  return step;
}

}  // namespace dmarcate
