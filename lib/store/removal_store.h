// lib/store/removal_store.h
// Takes domains and DNS providers out of the policy store, whole and in one synced write, and keeps
// of each that it was there. Implementations: RocksDB (rocks_policy_store.h) and the fake in memory
// (fake_policy_store.h); one conformance suite runs on both.
//
// What goes with a domain: its decisions, groupings, insights, the memory of what people were told,
// and the history of its records. What stays: the journal of what was done, that is its changes,
// its rollouts with their logs, and its place in fleet changes.
//
// A domain that was removed, and is not there again, takes nothing any more: whoever read it before
// and writes now (a look that was under way, a plan) gets kNotFound for what would be new or would
// be begun. So does a domain that is to be bound to a provider that was removed.
//
// A record of the same name that is put later has the next revision, not 1: who read the old one
// never changes the new one by mistake. Errors otherwise as in policy_store.h.

#ifndef DMARCATE_LIB_STORE_REMOVAL_STORE_H_
#define DMARCATE_LIB_STORE_REMOVAL_STORE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/store/policy_store.h"

namespace dmarcate {

enum class RemovedKind : uint8_t { kDomain = 1, kProvider = 2 };
std::string_view ToString(RemovedKind kind);  // "domain", as it is in keys

// The last removal of that name; it may be there again.
struct RemovalRecord {
  std::string id;         // of the domain or the provider
  std::string uid;        // of a domain
  uint64_t revision = 0;  // the last that it had
  absl::Time create_time, remove_time;
  std::string removed_by;
  std::vector<ReportAddressRecord> report_addresses;  // of a domain; all are revoked
  friend bool operator==(const RemovalRecord&, const RemovalRecord&) = default;
};

struct RemovalRequest {
  std::string id;
  uint64_t revision = 0;  // that it was read at
  absl::Time now;
  std::string principal;
  // Asked when nothing else can be written any more before the removal is: an error of it is that
  // of the call. It may read the store, not write to it.
  std::function<absl::Status()> check = [] { return absl::OkStatus(); };
};

// Thread-safe.
class RemovalStore {
 public:
  virtual ~RemovalStore() = default;
  //   kNotFound   it is not there
  //   kAborted    it has another revision now
  virtual absl::Status RemoveDomain(const RemovalRequest& request) = 0;
  virtual absl::Status RemoveProvider(const RemovalRequest& request) = 0;
  // Nothing: none of that name was ever removed.
  virtual absl::StatusOr<std::optional<RemovalRecord>> FindRemoval(RemovedKind kind,
                                                                   std::string_view id) = 0;
  // By id.
  virtual absl::StatusOr<std::vector<RemovalRecord>> ListRemovals(RemovedKind kind) = 0;
};

// What is kept of a domain that goes at `request.now`: every address is revoked by then.
RemovalRecord RemovalOf(const DomainRecord& domain, const RemovalRequest& request);
RemovalRecord RemovalOf(const DnsProviderRecord& provider, const RemovalRequest& request);
// kNotFound, of something that was removed.
absl::Status WasRemoved(RemovedKind kind, std::string_view id);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_REMOVAL_STORE_H_
