// Rules of rollouts in memory that keep the contract of rollout_rules_store.h; for tests.

#ifndef DMARCATE_LIB_STORE_FAKE_ROLLOUT_RULES_STORE_H_
#define DMARCATE_LIB_STORE_FAKE_ROLLOUT_RULES_STORE_H_

#include <map>
#include <mutex>
#include <string>

#include "lib/store/rollout_rules_store.h"

namespace dmarcate {

// Thread-safe.
class FakeRolloutRulesStore final : public RolloutRulesStore {
 public:
  absl::StatusOr<RolloutRules> GetRolloutRules(std::string_view domain) override;
  absl::StatusOr<RolloutRules> PutRolloutRules(RolloutRules rules) override;

 private:
  std::mutex mutex_;
  std::map<std::string, RolloutRules, std::less<>> domains_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_FAKE_ROLLOUT_RULES_STORE_H_
