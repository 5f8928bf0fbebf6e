// lib/store/rocks_rollout_store.h
// Rollouts of one kind in the policy database: those of DMARC policies, and those of MTA-STS, each
// under keys of its own (docs/store.md).

#ifndef DMARCATE_LIB_STORE_ROCKS_ROLLOUT_STORE_H_
#define DMARCATE_LIB_STORE_ROCKS_ROLLOUT_STORE_H_

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/policy_keys.h"
#include "lib/store/rollout_store.h"

namespace dmarcate {

class RocksDb;

// `db` and `mutex` outlive it. `mutex` is held from reading a revision to having written the next;
// domains are removed under it.
class RocksRolloutStore : public RolloutStore {
 public:
  RocksRolloutStore(RocksDb& db, std::mutex& mutex, const policy_keys::RolloutTags& tags)
      : db_(db), mutex_(mutex), tags_(tags) {}

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
  RocksDb& db_;
  std::mutex& mutex_;
  const policy_keys::RolloutTags tags_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_ROCKS_ROLLOUT_STORE_H_
