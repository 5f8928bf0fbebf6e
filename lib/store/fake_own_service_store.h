// Services of one's own in memory that keep the contract of own_service_store.h; for tests.

#ifndef DMARCATE_LIB_STORE_FAKE_OWN_SERVICE_STORE_H_
#define DMARCATE_LIB_STORE_FAKE_OWN_SERVICE_STORE_H_

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/own_service_store.h"

namespace dmarcate {

// Thread-safe.
class FakeOwnServiceStore final : public OwnServiceStore {
 public:
  absl::StatusOr<std::vector<OwnServiceRecord>> ListOwnServices() override;
  absl::StatusOr<OwnServiceRecord> GetOwnService(std::string_view id) override;
  absl::StatusOr<OwnServiceRecord> PutOwnService(OwnServiceRecord record) override;
  absl::Status DeleteOwnService(std::string_view id, uint64_t revision) override;

 private:
  std::mutex mutex_;
  std::map<std::string, OwnServiceRecord, std::less<>> services_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_FAKE_OWN_SERVICE_STORE_H_
