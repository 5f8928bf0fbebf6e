// tests/policyd/reconcile/forwarding_rollouts.h
// A rollout store that hands everything on to another one; a test says what is different.

#ifndef DMARCATE_TESTS_POLICYD_RECONCILE_FORWARDING_ROLLOUTS_H_
#define DMARCATE_TESTS_POLICYD_RECONCILE_FORWARDING_ROLLOUTS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/store/rollout_store.h"

namespace dmarcate {

class ForwardingRollouts : public RolloutStore {
 public:
  explicit ForwardingRollouts(RolloutStore& store) : store_(store) {}  // outlives it

  absl::StatusOr<RolloutRecord> GetRollout(std::string_view domain, std::string_view id) override {
    return store_.GetRollout(domain, id);
  }
  absl::StatusOr<std::vector<RolloutRecord>> ListRollouts(std::string_view domain,
                                                          std::string_view after_domain,
                                                          std::string_view after_id,
                                                          size_t limit) override {
    return store_.ListRollouts(domain, after_domain, after_id, limit);
  }
  absl::StatusOr<RolloutRecord> PutRollout(RolloutRecord record,
                                           std::vector<RolloutLogRecord> log) override {
    return store_.PutRollout(std::move(record), std::move(log));
  }
  absl::StatusOr<std::vector<RolloutLogRecord>> ListRolloutLog(std::string_view domain,
                                                               std::string_view id,
                                                               std::string_view before,
                                                               size_t limit) override {
    return store_.ListRolloutLog(domain, id, before, limit);
  }
  absl::Status ForgetRolloutLog(std::string_view domain, std::string_view id,
                                const std::vector<std::string>& entries) override {
    return store_.ForgetRolloutLog(domain, id, entries);
  }
  absl::StatusOr<RolloutLease> GetRolloutLease() override { return store_.GetRolloutLease(); }
  absl::StatusOr<RolloutLease> PutRolloutLease(RolloutLease lease) override {
    return store_.PutRolloutLease(std::move(lease));
  }

 protected:
  RolloutStore& store_;
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_POLICYD_RECONCILE_FORWARDING_ROLLOUTS_H_
