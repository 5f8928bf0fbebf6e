// lib/store/fake_rollout_store.h
// Rollouts in memory that keep the contract of rollout_store.h; for tests.

#ifndef DMARCATE_LIB_STORE_FAKE_ROLLOUT_STORE_H_
#define DMARCATE_LIB_STORE_FAKE_ROLLOUT_STORE_H_

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/store/rollout_store.h"

namespace dmarcate {

// Thread-safe.
class FakeRolloutStore final : public RolloutStore {
 public:
  absl::StatusOr<RolloutRecord> GetRollout(std::string_view domain, std::string_view id) override;
  absl::StatusOr<std::vector<RolloutRecord>> ListRollouts(std::string_view domain,
                                                          std::string_view after_domain,
                                                          std::string_view after_id,
                                                          size_t limit) override;
  absl::StatusOr<RolloutRecord> PutRollout(RolloutRecord record,
                                           std::vector<RolloutLogRecord> log) override;
  absl::StatusOr<std::vector<RolloutLogRecord>> ListRolloutLog(std::string_view domain,
                                                               std::string_view id,
                                                               std::string_view before,
                                                               size_t limit) override;
  absl::Status ForgetRolloutLog(std::string_view domain, std::string_view id,
                                const std::vector<std::string>& entries) override;
  absl::StatusOr<RolloutLease> GetRolloutLease() override;
  absl::StatusOr<RolloutLease> PutRolloutLease(RolloutLease lease) override;

 private:
  using Key = std::pair<std::string, std::string>;  // domain, id

  std::mutex mutex_;
  std::map<Key, RolloutRecord> rollouts_;
  std::map<Key, std::vector<RolloutLogRecord>> logs_;  // oldest first
  RolloutLease lease_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_FAKE_ROLLOUT_STORE_H_
