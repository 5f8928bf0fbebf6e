#include "lib/store/fake_rollout_rules_store.h"

#include <optional>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/policy_rules.h"

namespace dmarcate {

absl::StatusOr<RolloutRules> FakeRolloutRulesStore::GetRolloutRules(std::string_view domain) {
  const std::lock_guard lock(mutex_);
  const auto found = domains_.find(domain);
  if (found != domains_.end()) return found->second;
  RolloutRules none;
  none.domain = std::string(domain);
  return none;
}

absl::StatusOr<RolloutRules> FakeRolloutRulesStore::PutRolloutRules(RolloutRules rules) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("rollout rules", {rules.domain}));
  const auto found = domains_.find(rules.domain);
  DMARCATE_RETURN_IF_ERROR(CheckRevision(
      fmt::format("rollout rules of {}", rules.domain), rules.revision,
      found == domains_.end() ? std::nullopt : std::optional(found->second.revision)));
  ++rules.revision;
  domains_[rules.domain] = rules;
  return rules;
}

}  // namespace dmarcate
