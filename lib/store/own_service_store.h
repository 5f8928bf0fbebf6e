// Mail services that operators added over the API, beside the policy store. Implementations:
// RocksDB (rocks_policy_store.h) and the fake in memory (fake_own_service_store.h).
//
// The store knows no more of a service than its id: `text` is what
// policyd/analysis/catalogue_text.h writes. Errors as in policy_store.h.

#ifndef DMARCATE_LIB_STORE_OWN_SERVICE_STORE_H_
#define DMARCATE_LIB_STORE_OWN_SERVICE_STORE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dmarcate {

struct OwnServiceRecord {
  std::string id;
  std::string text;  // TOML, one [[service]]
  absl::Time create_time, update_time;
  std::string updated_by;
  uint64_t revision = 0;
  friend bool operator==(const OwnServiceRecord&, const OwnServiceRecord&) = default;
};

// Thread-safe.
class OwnServiceStore {
 public:
  virtual ~OwnServiceStore() = default;
  // By id. One that does not decode is logged and left out.
  virtual absl::StatusOr<std::vector<OwnServiceRecord>> ListOwnServices() = 0;
  // kNotFound
  virtual absl::StatusOr<OwnServiceRecord> GetOwnService(std::string_view id) = 0;
  // Synced.
  virtual absl::StatusOr<OwnServiceRecord> PutOwnService(OwnServiceRecord record) = 0;
  // kNotFound, kAborted
  virtual absl::Status DeleteOwnService(std::string_view id, uint64_t revision) = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_OWN_SERVICE_STORE_H_
