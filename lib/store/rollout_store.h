// lib/store/rollout_store.h
// Rollouts of one kind (DMARC policies, or MTA-STS policies, in stores of their own), and the log
// of each: what was decided, by whom, on what evidence, and what came of it. policyd owns them,
// beside the policy store: RocksDB (rocks_rollout_store.h), and a fake; one conformance suite runs
// on all.
//
// The store knows no more of a rollout than its name: `state` and `decision` are bytes of
// policyd/rollout/codec.h or policyd/mta_sts/codec.h. Every Put is synced before it returns, and
// names the revision that it was read at, as in policy_store.h:
//   kAborted         the rollout, or the lease, has another revision now
//   kAlreadyExists   revision 0 and it exists
//   kNotFound        no such record
//   kInvalidArgument a domain or id is empty, or longer than kMaxPolicyKeyBytes
//   kDataLoss        stored bytes do not decode
//   kUnavailable, kResourceExhausted, kFailedPrecondition  disk, as in policy_store.h

#ifndef DMARCATE_LIB_STORE_ROLLOUT_STORE_H_
#define DMARCATE_LIB_STORE_ROLLOUT_STORE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dmarcate {

struct RolloutRecord {
  std::string domain, id;  // ids sort by time
  std::string state;       // EncodeState()
  // EncodeDecision() of the step that a change carries out now; empty: none does.
  std::string pending_decision;
  std::string created_by;
  absl::Time create_time, update_time;
  uint64_t revision = 0;
  friend bool operator==(const RolloutRecord&, const RolloutRecord&) = default;
};

// The numbers are at rest.
enum class RolloutEvent : uint8_t {
  kDecided = 1,    // the controller decided; nothing was written
  kStarted = 2,    // a change was planned for what was decided
  kPublished = 3,  // that change is verified live
  kFailed = 4,     // it was not made, or ended otherwise
  kPerson = 5,     // a person created, advanced, paused, resumed or aborted
};
struct RolloutLogRecord {
  std::string id;  // sorts by order; given by the store
  absl::Time time;
  RolloutEvent event = RolloutEvent::kDecided;
  std::string who;          // the person; "policyd" for what it does by itself
  std::string text;         // one sentence
  std::string explanation;  // ExplainStep(), or empty
  std::string decision;     // EncodeDecision(), or empty
  std::string change_id;    // or empty
  bool lowered = false;     // what is published does, or is about to do, less to failing mail
  bool alert = false;       // a person should be told
  friend bool operator==(const RolloutLogRecord&, const RolloutLogRecord&) = default;
};

// Who works on the rollouts of this store.
struct RolloutLease {
  std::string holder;
  uint64_t revision = 0;
  friend bool operator==(const RolloutLease&, const RolloutLease&) = default;
};

// Thread-safe.
class RolloutStore {
 public:
  virtual ~RolloutStore() = default;
  virtual absl::StatusOr<RolloutRecord> GetRollout(std::string_view domain,
                                                   std::string_view id) = 0;
  // By domain ("-": all), then id; after (`after_domain`, `after_id`); those that decode.
  virtual absl::StatusOr<std::vector<RolloutRecord>> ListRollouts(std::string_view domain,
                                                                  std::string_view after_domain,
                                                                  std::string_view after_id,
                                                                  size_t limit) = 0;
  // The rollout and what is to be said about it, in one atomic write. The ids of `log` are given
  // here, ascending in the order given, later ones after those of every earlier Put.
  virtual absl::StatusOr<RolloutRecord> PutRollout(RolloutRecord record,
                                                   std::vector<RolloutLogRecord> log) = 0;
  // Newest first; strictly older than `before` (empty: from the newest).
  virtual absl::StatusOr<std::vector<RolloutLogRecord>> ListRolloutLog(std::string_view domain,
                                                                       std::string_view id,
                                                                       std::string_view before,
                                                                       size_t limit) = 0;
  // Takes these entries, by id, out of the log, in one atomic write; those that are gone already
  // are no error. The rollout's revision stays.
  virtual absl::Status ForgetRolloutLog(std::string_view domain, std::string_view id,
                                        const std::vector<std::string>& entries) = 0;
  // Revision 0: nobody has it yet.
  virtual absl::StatusOr<RolloutLease> GetRolloutLease() = 0;
  virtual absl::StatusOr<RolloutLease> PutRolloutLease(RolloutLease lease) = 0;
};

// "00000000000000a3-001": of entry `ordinal` of the Put that made revision `revision`.
std::string RolloutLogId(uint64_t revision, size_t ordinal);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_ROLLOUT_STORE_H_
