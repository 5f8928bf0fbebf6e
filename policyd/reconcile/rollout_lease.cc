#include "policyd/reconcile/rollout_lease.h"

#include "lib/base/log.h"

namespace dmarcate {

RolloutLeaseHolder::RolloutLeaseHolder(RolloutStore& store, const Clock& clock, Random& random,
                                       const RolloutLeaseOptions& options)
    : store_(store),
      clock_(clock),
      options_(options),
      holder_(MakeSortableId(clock.Now(), random)) {}

bool RolloutLeaseHolder::Hold() {
  absl::StatusOr<RolloutLease> lease = store_.GetRolloutLease();
  if (!lease.ok()) {
    LogError("rollout_lease_unreadable", {{"error", lease.status()}});
    return false;
  }
  const bool free = lease->revision == 0 || lease->holder == holder_ ||
                    options_.store_use == StoreUse::kExclusive;
  if (!free) {
    const std::lock_guard lock(mutex_);
    const absl::Duration now = clock_.Monotonic();
    if (lease->revision != seen_) {
      seen_ = lease->revision;
      since_ = now;
    }
    if (now - since_ < options_.lease) return false;
  }
  lease->holder = holder_;
  return store_.PutRolloutLease(*lease).ok();
}

}  // namespace dmarcate
