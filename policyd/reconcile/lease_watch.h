// policyd/reconcile/lease_watch.h
// When a holder of a lease is dead, when a plan is due, how long servers have been waited for: all
// told by the monotonic clock of this process, so that a jump of the wall clock neither robs a
// living holder nor ends a wait. What a restart finds is measured anew from there.

#ifndef DMARCATE_POLICYD_RECONCILE_LEASE_WATCH_H_
#define DMARCATE_POLICYD_RECONCILE_LEASE_WATCH_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/store/policy_store.h"

namespace dmarcate {

// Thread-safe.
class LeaseWatch {
 public:
  explicit LeaseWatch(const Clock& clock) : clock_(clock) {}

  // Whether somebody else's `change` has stood at the revision it has now, as seen from here, for
  // `lease` at least. The first look at a revision starts the time: a holder that is alive saves.
  bool IsSilent(const ChangeRecord& change, absl::Duration lease);
  // Whether a scheduled plan's time has come. The wall clock counts at the first look only, and can
  // make nobody wait for longer than was asked.
  bool IsDue(const ChangeRecord& change);
  // For how long `what` has been going on for this change: zero at the first call.
  absl::Duration Since(const ChangeRecord& change, std::string_view what);
  void Forget(const ChangeRecord& change);
  // Forgets all but these: others have ended what is not open any more.
  void KeepOnly(const std::vector<ChangeRecord>& open);
  size_t size() const {
    const std::lock_guard lock(mutex_);
    return seen_.size();
  }

 private:
  using Key = std::pair<std::string, std::string>;  // domain, change
  struct Seen {
    uint64_t revision = 0;
    absl::Duration since;
    absl::Time apply_after = absl::InfinitePast();
    absl::Duration due;
    std::map<std::string, absl::Duration, std::less<>> begun;
  };

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<Key, Seen> seen_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_LEASE_WATCH_H_
