// policyd/reconcile/fleet_run.h
// One fleet change in memory, while an engine works on it: its members with their seats, what they
// wait for, and how fast it goes.

#ifndef DMARCATE_POLICYD_RECONCILE_FLEET_RUN_H_
#define DMARCATE_POLICYD_RECONCILE_FLEET_RUN_H_

#include <cstddef>
#include <deque>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/store/fleet_store.h"
#include "policyd/fleet/fleet_step.h"
#include "policyd/reconcile/fleet_engine.h"
#include "policyd/reconcile/fleet_member.h"

namespace dmarcate {

// Not thread-safe: under the engine's lock.
class FleetRun {
 public:
  // `members` by domain. `now` is monotonic, here and below.
  FleetRun(FleetRecord record, std::vector<FleetMemberRecord> members,
           const FleetEngineOptions& options, absl::Duration now);

  FleetRecord& record() { return record_; }
  const FleetRecord& record() const { return record_; }
  std::vector<FleetMemberRecord>& members() { return members_; }
  const std::vector<FleetMemberRecord>& members() const { return members_; }

  FleetStep Next(absl::Duration now) const {
    return NextFleetStep(record_, seats_, options_.bounds, now);
  }
  // What a stopped process had begun goes on to its end, whatever the stage.
  void MarkBegun(size_t seat) { seats_[seat].begun = true; }
  // A thread begins with that member; it is to be given back by Settle.
  void Take(size_t seat) { seats_[seat].busy = true; }
  // `turn` as it is to be kept: a member that has had trouble for too long is kDone by now.
  void Settle(size_t seat, const FleetTurn& turn, absl::Duration now);
  // Whether trouble with that member, now, is too old to try again.
  bool IsPatienceOver(size_t seat, absl::Duration now) const;
  // After a change of stage: what was measured before is forgotten.
  void Restart(absl::Duration now);
  // Whether a thread has one of its members.
  bool IsBusy() const;

  FleetProgress Progress(absl::Duration now) const;

 private:
  struct Patience {
    absl::Duration since = absl::InfiniteDuration();  // of the first trouble in a row
    absl::Duration pause = absl::ZeroDuration();
  };
  void Seat(size_t index);

  FleetRecord record_;
  std::vector<FleetMemberRecord> members_;
  const FleetEngineOptions options_;
  std::vector<FleetSeat> seats_;
  std::vector<Patience> patience_;
  absl::Duration stage_begin_;
  std::deque<absl::Duration> ended_;  // of the last minute
};

// Of one that nobody works on.
FleetProgress ProgressOf(const FleetRecord& record, const std::vector<FleetMemberRecord>& members);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_FLEET_RUN_H_
