// policyd/reconcile/change_engine.h
// Writing DNS as a transaction. Plans show the exact records; applying takes exactly what was
// shown, compares first, writes ahead to a synced journal (the ChangeRecord itself), verifies on
// every authoritative server and can go back to the exact bytes. DESIGN section 8; the failure
// table and the invariants P1 to P12 are reference/safety.md section 5.
//
//   PLANNED -> LEASED -> READ -> COMPARED -> LINTED -> JOURNALED -> WRITING -> READ_BACK ->
//   VERIFYING -> SUCCEEDED, with UNKNOWN after a write that got no clear answer. Where a person
//   writes (ProviderWriter::kPerson), WAITING stands in the place of WRITING, and the change stays
//   kApplying until all servers show it or options.manual_limit is over. Up to JOURNALED nothing is
//   stored and nothing is written; from then on every restart resumes, and decides by what the zone
//   holds: the image before, the image after, or a third value that nobody touches.
//
// Errors carry the API's reason (reason.h):
//   kNotFound            RESOURCE_NOT_FOUND   no such domain or change
//   kUnavailable         DNS_UNAVAILABLE, PROVIDER_UNAVAILABLE, SHUTTING_DOWN   nothing was written
//   kAborted             STALE_PLAN, PLAN_DIGEST_MISMATCH, CHANGE_IN_PROGRESS, ETAG_MISMATCH
//   kFailedPrecondition  NO_PROVIDER, ZONE_NOT_BOUND, PLAN_EXPIRED, GUARD_REFUSED, CHANGE_STATE,
//                        ROLLBACK_BLOCKED
//   kResourceExhausted   RATE_LIMITED   too many transactions at once

#ifndef DMARCATE_POLICYD_RECONCILE_CHANGE_ENGINE_H_
#define DMARCATE_POLICYD_RECONCILE_CHANGE_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/dns/resolver.h"
#include "lib/mailauth/alignment.h"
#include "lib/store/policy_store.h"
#include "policyd/plan/prune_plan.h"
#include "policyd/plan/spf_plan.h"
#include "policyd/provider/factory.h"
#include "policyd/reconcile/pacer.h"

namespace dmarcate {

class StsFileSource;  // sts_file_source.h

// What the engine works with; all outlive it.
struct ChangeWorld {
  PolicyStore& store;
  ProviderFactory& providers;
  Resolver& resolver;                    // what receivers see; SPF is counted through it
  AuthoritativeResolver& authoritative;  // every server of a zone
  const PublicSuffixList& suffixes;      // whose report address is somebody else's
  const Clock& clock;
  Random& random;
  Pacer& pacer;
  StsFileSource* sts_files = nullptr;  // null: no MTA-STS record can be planned
};

enum class StoreUse : uint8_t {
  kExclusive,  // the store lets one process in (RocksDB): whoever held a lease before is dead
  kShared,     // other engines may be at work: a holder has its lease until it falls silent
};

struct ChangeEngineOptions {
  absl::Duration plan_lifetime = absl::Minutes(30);
  absl::Duration read_deadline = absl::Seconds(15);    // all tries of one read
  absl::Duration settle_deadline = absl::Seconds(10);  // reading back after an unknown outcome
  // Servers are asked again and again for verify_deadline; after that once with each Resume(), for
  // as long as the TTL lets old records live in caches anyhow, at most verify_limit.
  absl::Duration verify_deadline = absl::Seconds(60);
  absl::Duration verify_limit = absl::Hours(1);
  absl::Duration verdict_period = absl::Seconds(10);     // all looks bad that long: go back
  absl::Duration first_pause = absl::Milliseconds(200);  // between two looks; doubles up to
  absl::Duration longest_pause = absl::Seconds(5);
  // How long a person has to set the records of a change that no program writes.
  absl::Duration manual_limit = absl::Hours(7 * 24);
  // What another engine has begun is taken over when it has not moved for that long; longer than
  // any pause between two entries of a journal (verify_deadline, verdict_period).
  absl::Duration lease = absl::Minutes(3);
  StoreUse store_use = StoreUse::kExclusive;
  size_t max_running = 4;   // transactions at once, each on a thread of the engine
  size_t max_waiting = 64;  // more are refused
};

// What reports say, as far as a plan tells it or goes by it. The engine reads none.
struct ReportFacts {
  std::vector<SpfNotNeeded> not_needed;  // advice
  std::vector<PruneFact> prune;          // about each term that the intent names, or it is refused
};

enum class RunMode : uint8_t {
  kExecute,
  kValidateOnly,  // every check, no effect on store or zone
};

struct ApplyRequest {
  std::string domain, id;
  std::string plan_digest;
  uint64_t revision = 0;  // the change as it was shown; not looked at once it is being applied
  std::string principal;
  RunMode mode = RunMode::kExecute;
  // Not now but then; until then it can be cancelled. All checks are made now and again then.
  absl::Duration delay = absl::ZeroDuration();
  // A person took the plan, among many, while it was valid, and its turn has come only now: it is
  // valid until then if that is later. All checks are made all the same.
  absl::Time valid_until = absl::InfinitePast();
};

struct CancelRequest {
  std::string domain, id;
  uint64_t revision = 0;
  std::string principal;
  RunMode mode = RunMode::kExecute;
};

struct RollbackRequest {
  std::string domain, id;  // of the change to undo
  uint64_t revision = 0;
  std::string principal;
  RunMode mode = RunMode::kExecute;
  std::string plan_digest = {};  // of the rollback that was shown; empty: whatever it is now
};

// Thread-safe.
class ChangeEngine {
 public:
  explicit ChangeEngine(const ChangeWorld& world, const ChangeEngineOptions& options = {});
  // Stops: what runs stays in the journal where it is and is taken up by the next Resume().
  ~ChangeEngine();
  ChangeEngine(const ChangeEngine&) = delete;
  ChangeEngine& operator=(const ChangeEngine&) = delete;

  // Reads what is live, plans, stores the change: kPlanned, kRefused (its guards say why) or
  // kSucceeded (nothing to do). `facts`: what reports say, for advice and for pruning. An empty
  // intent means decisions, and the report address if the domain has one. `intent.rollback_of` is
  // Rollback's. kValidateOnly: the same, not stored. `lifetime`: how long the plan may be applied;
  // zero: options.plan_lifetime.
  absl::StatusOr<ChangeRecord> Plan(std::string_view domain, const ChangeIntent& intent,
                                    std::string_view principal, RunMode mode = RunMode::kExecute,
                                    const ReportFacts& facts = {},
                                    absl::Duration lifetime = absl::ZeroDuration());

  // Runs the transaction; returns when it has ended, or after `wait` with the state reached, while
  // it goes on; or with kVerifying, when servers are behind (with kApplying, when they are behind
  // with child records, which all must show before the record): Resume() takes it up. A change that
  // has succeeded is returned as it is, and nothing is written.
  absl::StatusOr<ChangeRecord> Apply(const ApplyRequest& request,
                                     absl::Duration wait = absl::InfiniteDuration());

  // Withdraws a plan, scheduled or not, or a change of which no write has been announced yet:
  // whoever runs it loses its lease. A change that is cancelled already is returned as it is.
  // One that waits for a person can be withdrawn as long as none of its records is there.
  //   kFailedPrecondition CHANGE_STATE  it is being written, or has ended
  absl::StatusOr<ChangeRecord> Cancel(const CancelRequest& request);

  // Plans and applies the change that restores what `request.id` replaced, byte for byte. With
  // kValidateOnly only the plan.
  absl::StatusOr<ChangeRecord> Rollback(const RollbackRequest& request,
                                        absl::Duration wait = absl::InfiniteDuration());

  // Takes up every open change that is not running here: at start, and now and then (a rollback
  // whose provider was down goes on, servers that were behind are asked again, a plan is due). Does
  // not wait for them.
  absl::Status Resume();

  // No new transactions; returns when those that run have stopped at a journaled step.
  void Stop();
  // Blocks until nothing runs. For tests and for a drain with patience.
  void WaitIdle();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_CHANGE_ENGINE_H_
