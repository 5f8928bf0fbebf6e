// lib/store/fleet_store.h
// Changes of many domains at once: what was asked for, which domains it is about, and what is known
// of each. Beside the policy store, and never in its place: that a domain's records were written is
// in its ChangeRecord alone, by which a fleet change that was interrupted goes on.
// Implementations: RocksDB (rocks_policy_store.h) and the fake in memory (fake_fleet_store.h); one
// conformance suite runs on both.
//
// Puts are synced. Only FleetRecord has a revision, as in policy_store.h; the members belong to
// the one engine that runs the fleet change.
//   kAborted, kAlreadyExists, kNotFound, kInvalidArgument, kDataLoss, kUnavailable,
//   kResourceExhausted, kFailedPrecondition  as in policy_store.h

#ifndef DMARCATE_LIB_STORE_FLEET_STORE_H_
#define DMARCATE_LIB_STORE_FLEET_STORE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/store/policy_store.h"

namespace dmarcate {

enum class FleetState : uint8_t {
  kPlanning = 1,  // the domains are planned, one after another
  kPlanned = 2,   // waits for a person
  kApplying = 3,
  kPaused = 4,      // nothing new begins; what was begun goes on to its end
  kCancelling = 5,  // the same, for good; then the plans that are left are withdrawn
  kCancelled = 6,
  kSucceeded = 7,  // all that were planned have succeeded
  kFailed = 8,     // it has ended, and not all have
};
// Whether an engine has work with it, or may have after a restart.
bool IsOpen(FleetState state);

// Which domains, as it was asked for. Of several conditions all must hold.
struct FleetSelection {
  bool named = false;        // the domains were named one by one; else all managed ones
  std::string dns_provider;  // only those bound to it
  std::string under;         // only this name and those below it
  std::string retry_of;      // only those that did not succeed in that fleet change
  std::string rollback_of;   // what that fleet change applied is to be undone
  friend bool operator==(const FleetSelection&, const FleetSelection&) = default;
};

struct FleetLimits {
  uint32_t canaries = 0;      // these first, and all must succeed before another begins
  uint32_t max_failures = 0;  // one more, and it pauses
  uint32_t parallel = 0;      // domains at once
  friend bool operator==(const FleetLimits&, const FleetLimits&) = default;
};

struct FleetRecord {
  std::string id;  // sorts by time
  FleetState state = FleetState::kPlanning;
  FleetSelection selection;
  ChangeIntent intent;
  FleetLimits limits;  // of the apply
  uint32_t member_count = 0;
  std::string plan_digest;  // once it is planned
  std::string requested_by, applied_by;
  absl::Time create_time;
  absl::Time plan_end_time = absl::InfinitePast(), plan_expire_time = absl::InfinitePast();
  absl::Time apply_time = absl::InfinitePast(), end_time = absl::InfinitePast();
  absl::Time apply_expire_time = absl::InfinitePast();  // no member begins after it
  // Why it is kPaused: "OPERATOR", "CANARY_FAILED", "FAILURE_BUDGET".
  std::string pause_reason, pause_message;
  uint32_t accepted_failures = 0;  // there were so many when a person let it go on
  uint64_t revision = 0;
};

enum class FleetMemberState : uint8_t {
  kUnplanned = 1,   // its turn to be planned has not come
  kPlanned = 2,     // to be applied
  kUnchanged = 3,   // there is nothing to do
  kRefused = 4,     // a guard refuses the plan
  kPlanFailed = 5,  // no plan could be made
  kSucceeded = 6,
  kFailed = 7,          // nothing was written
  kRolledBack = 8,      // written, and taken back
  kNeedsAttention = 9,  // a person must look
  kCancelled = 10,      // never begun
};

struct FleetMemberRecord {
  std::string domain;
  std::string dns_provider;  // the account; empty: none
  FleetMemberState state = FleetMemberState::kUnplanned;
  // Of the plan; of a rollback the change that is to be undone, until the one that undoes it is
  // known.
  std::string change_id;
  std::string plan_digest;
  std::string reason, message;  // of a guard or an error
  bool canary = false;
  absl::Time end_time = absl::InfinitePast();
  friend bool operator==(const FleetMemberRecord&, const FleetMemberRecord&) = default;
};

// Thread-safe.
class FleetStore {
 public:
  virtual ~FleetStore() = default;
  virtual absl::StatusOr<FleetRecord> GetFleet(std::string_view id) = 0;
  // Newest first, strictly older than `before` (empty: from the newest); those that decode.
  virtual absl::StatusOr<std::vector<FleetRecord>> ListFleets(std::string_view before,
                                                              size_t limit) = 0;
  // By domain, after `after`.
  virtual absl::StatusOr<std::vector<FleetMemberRecord>> ListFleetMembers(std::string_view id,
                                                                          std::string_view after,
                                                                          size_t limit) = 0;
  // The record and some of its members, in one atomic write.
  virtual absl::StatusOr<FleetRecord> PutFleet(FleetRecord record,
                                               const std::vector<FleetMemberRecord>& members) = 0;
  // New, or in place of the one of that domain.
  virtual absl::Status PutFleetMember(std::string_view id, const FleetMemberRecord& member) = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_FLEET_STORE_H_
