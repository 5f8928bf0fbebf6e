// policyd/reconcile/fleet_runs.h
// The fleet changes that are at work, in memory beside what is stored of them: what is next of all
// of them, and how each comes into its next state. What a member's turn is, and on which thread it
// is taken, is the engine's.

#ifndef DMARCATE_POLICYD_RECONCILE_FLEET_RUNS_H_
#define DMARCATE_POLICYD_RECONCILE_FLEET_RUNS_H_

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/store/fleet_store.h"
#include "policyd/reconcile/fleet_engine.h"
#include "policyd/reconcile/fleet_run.h"

namespace dmarcate {

// A member's turn, for a thread.
struct FleetTask {
  std::string fleet;
  size_t seat = 0;
  FleetRecord record;  // as it is when the turn begins
  FleetMemberRecord member;
};

// It goes on by itself.
bool IsAtWork(FleetState state);

// Not thread-safe: under the engine's lock. `store` and `clock` outlive it.
class FleetRuns {
 public:
  // `changed`: called after each change that was stored.
  FleetRuns(FleetStore& store, const Clock& clock, const FleetEngineOptions& options,
            std::function<void()> changed)
      : store_(store), clock_(clock), options_(options), changed_(std::move(changed)) {}

  // As it is now.
  //   kNotFound RESOURCE_NOT_FOUND
  absl::StatusOr<FleetRecord> Get(std::string_view id);
  // Null: nobody works on it.
  FleetRun* Find(std::string_view id);
  // Made from what is stored, if nobody works on it yet.
  absl::StatusOr<FleetRun*> Take(const FleetRecord& fleet);
  // Stores a new one with its members, and takes it.
  absl::StatusOr<FleetRecord> Add(FleetRecord fleet, std::vector<FleetMemberRecord> members);
  // Changes it by `change`; as it was, if it cannot be stored.
  absl::StatusOr<FleetRecord> Move(const FleetRecord& fleet,
                                   const std::function<void(FleetRun&)>& change);
  // The next turn of any of them, the oldest first; else for how long there is none (`wake`).
  // Those that have come to the end of a stage, or must pause, do on the way.
  std::optional<FleetTask> NextTask(absl::Duration& wake);

  size_t CountAtWork() const;
  // Nothing is at work, and no thread has a turn.
  bool IsIdle() const;

 private:
  absl::Status Save(FleetRun& run, const std::vector<FleetMemberRecord>& members = {});
  absl::Status PauseFor(FleetRun& run, const FleetStep& step);
  absl::Status EndStage(FleetRun& run);

  FleetStore& store_;
  const Clock& clock_;
  const FleetEngineOptions options_;
  const std::function<void()> changed_;
  std::map<std::string, FleetRun, std::less<>> runs_;  // oldest first
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_FLEET_RUNS_H_
