// policyd/reconcile/rollout_lease.h
// Which of several processes works on the rollouts of one store: one holds the lease and renews it,
// the others idle until it has been silent for long enough. Who was overtaken without knowing
// cannot write: each write of a rollout names the revision that it was read at.

#ifndef DMARCATE_POLICYD_RECONCILE_ROLLOUT_LEASE_H_
#define DMARCATE_POLICYD_RECONCILE_ROLLOUT_LEASE_H_

#include <cstdint>
#include <mutex>
#include <string>

#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/store/rollout_store.h"
#include "policyd/reconcile/change_engine.h"  // StoreUse

namespace dmarcate {

struct RolloutLeaseOptions {
  // kExclusive: no other process can have the store open, so nobody is waited for.
  StoreUse store_use = StoreUse::kExclusive;
  // Another's lease is over when it has not been renewed for that long, by this process's monotonic
  // clock; longer than several renewals.
  absl::Duration lease = absl::Minutes(3);
};

// Thread-safe. `store` and `clock` outlive it.
class RolloutLeaseHolder {
 public:
  RolloutLeaseHolder(RolloutStore& store, const Clock& clock, Random& random,
                     const RolloutLeaseOptions& options);

  // Takes the lease or renews it. False: another has it, or nobody could write that we do.
  bool Hold();

 private:
  RolloutStore& store_;
  const Clock& clock_;
  const RolloutLeaseOptions options_;
  const std::string holder_;

  std::mutex mutex_;
  uint64_t seen_ = 0;  // the other's revision, and since when, monotonic
  absl::Duration since_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_ROLLOUT_LEASE_H_
