// policyd/reconcile/fleet_engine.h
// Changes of many domains at once, as one plan and one apply that goes on by itself: a few domains
// first, then the others, so many at a time, overall and of one account; it pauses when too many
// fail, can be paused and cancelled by a person, and goes on after a restart where it was.
//
// Each domain is changed by the ChangeEngine, with its plan, journal, leases, verification and
// rollback (fleet_member.h). What is stored here says what was asked for and what is known; what
// was written, the changes say.
//
//   kPlanning -> kPlanned -> kApplying -> kSucceeded, kFailed
//                                |  ^
//                                v  |
//                              kPaused        and from everywhere -> kCancelling -> kCancelled
//
// Errors carry the API's reason, as in change_engine.h; and
//   kInvalidArgument  FIELD_INVALID   the selection names nothing that can be changed, or too much

#ifndef DMARCATE_POLICYD_RECONCILE_FLEET_ENGINE_H_
#define DMARCATE_POLICYD_RECONCILE_FLEET_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/store/fleet_store.h"
#include "lib/store/policy_store.h"
#include "policyd/fleet/fleet_plan.h"
#include "policyd/fleet/fleet_step.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/pacer.h"

namespace dmarcate {

// All outlive the engine.
struct FleetWorld {
  FleetStore& fleets;
  PolicyStore& store;
  ChangeEngine& changes;  // runs at least bounds.parallel transactions at once
  const Clock& clock;
  Random& random;
  Pacer& pacer;  // of its own
};

struct FleetEngineOptions {
  FleetBounds bounds;
  size_t max_members = 10'000;
  absl::Duration plan_lifetime = absl::Minutes(30);     // once all are planned
  absl::Duration apply_lifetime = absl::Hours(7 * 24);  // from the apply on; no member begins later
  absl::Duration busy_pause = absl::Milliseconds(500);
  absl::Duration open_pause = absl::Seconds(10);          // from busy_pause on, doubling up to this
  absl::Duration first_trouble_pause = absl::Seconds(5);  // doubles up to
  absl::Duration longest_trouble_pause = absl::Minutes(1);
  // A member whose provider or DNS could not be reached for so long is given up.
  absl::Duration plan_patience = absl::Minutes(2);
  absl::Duration apply_patience = absl::Minutes(30);
};

struct FleetRequest {
  FleetSelection selection;
  std::vector<std::string> domains;  // if selection.named
  ChangeIntent intent;               // empty: as of ChangeEngine::Plan
  std::string principal;
  RunMode mode = RunMode::kExecute;
};

struct FleetApplyRequest {
  std::string id, plan_digest;
  uint64_t revision = 0;
  std::string principal;
  FleetLimits limits;
  RunMode mode = RunMode::kExecute;
};

struct FleetAction {
  std::string id;
  uint64_t revision = 0;
  std::string principal;
  RunMode mode = RunMode::kExecute;
  std::optional<uint32_t> max_failures = {};  // Resume: another one from now on
};

// How a fleet change stands.
struct FleetProgress {
  FleetRecord record;
  FleetCounts counts{};
  uint32_t running = 0;   // worked on
  uint32_t open = 0;      // begun, and waiting for servers or the provider
  uint32_t retrying = 0;  // not begun; provider, DNS or another change made it wait
  // Members that ended in the last minute or, if it began less than a minute ago, since then.
  double ended_per_minute = 0;
  absl::Duration time_left = absl::InfiniteDuration();  // at that rate; infinite: not known
  std::vector<FleetGroup> groups;
};

// Thread-safe.
class FleetEngine {
 public:
  explicit FleetEngine(const FleetWorld& world, const FleetEngineOptions& options = {});
  // Stops as Stop() does.
  ~FleetEngine();
  FleetEngine(const FleetEngine&) = delete;
  FleetEngine& operator=(const FleetEngine&) = delete;

  // Stores it and begins to plan; returns at once.
  absl::StatusOr<FleetRecord> Create(const FleetRequest& request);
  // Begins to apply exactly what was planned; returns at once. One that is being applied, or was,
  // with the same digest is returned as it is.
  //   kAborted            PLAN_DIGEST_MISMATCH, ETAG_MISMATCH
  //   kFailedPrecondition CHANGE_STATE, PLAN_EXPIRED
  absl::StatusOr<FleetRecord> Apply(const FleetApplyRequest& request);
  // No new domain begins; those that have go on to their end. Again: as it is.
  absl::StatusOr<FleetRecord> Pause(const FleetAction& action);
  // Goes on; what has failed so far is accepted and counts no more.
  absl::StatusOr<FleetRecord> Resume(const FleetAction& action);
  // For good: what has not begun is withdrawn.
  absl::StatusOr<FleetRecord> Cancel(const FleetAction& action);

  //   kNotFound RESOURCE_NOT_FOUND
  absl::StatusOr<FleetProgress> Look(std::string_view id);
  // As it is now; those of one that is at work may be newer than what is stored.
  absl::StatusOr<std::vector<FleetMemberRecord>> Members(std::string_view id,
                                                         std::string_view after, size_t limit);
  // Waits until something has changed since `seen`, at most `wait`; what to give the next time.
  uint64_t AwaitNews(uint64_t seen, absl::Duration wait);

  // Takes up what a stopped process left: at start. Does not wait for it.
  absl::Status TakeUp();
  // Threads take nothing new; for before ChangeEngine::Stop(), which ends what they wait for.
  void BeginStop();
  // Returns when all threads have ended; what they were at stays where it is.
  void Stop();
  // Blocks until nothing is planned, applied or cancelled any more. For tests.
  void WaitIdle();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_FLEET_ENGINE_H_
