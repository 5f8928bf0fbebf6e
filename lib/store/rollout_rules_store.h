// lib/store/rollout_rules_store.h
// What people set for every rollout of a domain, or of all domains: freezes, two people,
// suspension. One value for each, beside the policy store. Implementations: RocksDB
// (rocks_policy_store.h) and the fake in memory (fake_rollout_rules_store.h).
//
// policyd/service/rollout_rules.h says what follows from them. Errors as in policy_store.h.

#ifndef DMARCATE_LIB_STORE_ROLLOUT_RULES_STORE_H_
#define DMARCATE_LIB_STORE_ROLLOUT_RULES_STORE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dmarcate {

// Under which name the rules of all domains are kept.
inline constexpr std::string_view kRulesOfAll = "-";

struct RolloutFreeze {
  std::string id;  // sorts by time
  absl::Time begin, end;
  std::string reason, created_by;
  absl::Time create_time;
  friend bool operator==(const RolloutFreeze&, const RolloutFreeze&) = default;
};

// What somebody did to the rules.
struct RolloutRulesEntry {
  absl::Time time;
  std::string who, text;
  friend bool operator==(const RolloutRulesEntry&, const RolloutRulesEntry&) = default;
};

struct RolloutRules {
  std::string domain;                  // or kRulesOfAll
  std::vector<RolloutFreeze> freezes;  // by begin, then by id
  bool two_people = false;
  std::string release_by;  // has asked that one person be enough again; empty: nobody has
  absl::Time release_time = absl::InfinitePast();
  bool suspended = false;
  std::string suspend_reason;
  std::vector<RolloutRulesEntry> log;  // in the order in which it was done
  uint64_t revision = 0;
  friend bool operator==(const RolloutRules&, const RolloutRules&) = default;
};

// Thread-safe.
class RolloutRulesStore {
 public:
  virtual ~RolloutRulesStore() = default;
  // Without any rule, with revision 0, if nobody has set one.
  virtual absl::StatusOr<RolloutRules> GetRolloutRules(std::string_view domain) = 0;
  // Synced. kAborted: the revision is another one now.
  virtual absl::StatusOr<RolloutRules> PutRolloutRules(RolloutRules rules) = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_ROLLOUT_RULES_STORE_H_
