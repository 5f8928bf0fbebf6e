// policyd/reconcile/lease_table.h
// Who may write what: one change at a time for a domain and for a zone, in this process. Between
// processes the ChangeRecord is the lease: it names its holder and a fencing number that each
// take-over raises (lease_watch.h says when a holder is dead). A holder that lost its lease without
// knowing cannot write: each entry of its journal names the revision that it was read at, and no
// write goes out without one.

#ifndef DMARCATE_POLICYD_RECONCILE_LEASE_TABLE_H_
#define DMARCATE_POLICYD_RECONCILE_LEASE_TABLE_H_

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"

#include "lib/store/policy_store.h"

namespace dmarcate {

// Thread-safe.
class LeaseTable {
 public:
  // All or nothing; what `change` holds already is its own.
  //   kAborted CHANGE_IN_PROGRESS  names the change that holds the domain or one of the zones
  absl::Status Acquire(const ChangeRecord& change);
  void Release(const ChangeRecord& change);

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> holders_;  // "domain x" or "zone x": change
};

// Whether both touch the same domain or zone.
bool Overlap(const ChangeRecord& a, const ChangeRecord& b);
// kAborted CHANGE_IN_PROGRESS.
absl::Status ChangeInProgress(std::string_view holder);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_LEASE_TABLE_H_
