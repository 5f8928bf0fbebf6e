// policyd/reconcile/rollout_rules_book.h
// The rules that people set for every rollout of a domain, or of all (lib/store/
// rollout_rules_store.h): what of them is refused, what is remembered of who did it, and what
// follows for a decision.

#ifndef DMARCATE_POLICYD_RECONCILE_ROLLOUT_RULES_BOOK_H_
#define DMARCATE_POLICYD_RECONCILE_ROLLOUT_RULES_BOOK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/store/rollout_rules_store.h"
#include "policyd/reconcile/change_engine.h"  // RunMode
#include "policyd/rollout/evidence.h"

namespace dmarcate {

struct RulesRequest {
  std::string domain;  // or kRulesOfAll
  // As it was shown, 0 where there was nothing; absent: whatever it is now.
  std::optional<uint64_t> revision;
  std::string principal;
  RunMode mode = RunMode::kExecute;
};

// Absent: stays.
struct RulesEdit {
  std::optional<bool> two_people;
  std::optional<bool> suspended;
  std::string suspend_reason;  // of suspended
};

// Thread-safe. Errors carry the API's reasons: kAborted ETAG_MISMATCH, and those below.
class RolloutRulesBook {
 public:
  static constexpr size_t kMostFreezes = 100;
  static constexpr size_t kMostEntries = 200;
  static constexpr absl::Duration kLongestFreeze = absl::Hours(400 * 24);
  // A freeze that has been over for that long goes with the next change of the rules.
  static constexpr absl::Duration kFreezeKept = absl::Hours(90 * 24);
  // Within which another person has to ask, too, that one be enough.
  static constexpr absl::Duration kReleaseLifetime = absl::Hours(7 * 24);

  // All outlive it.
  RolloutRulesBook(RolloutRulesStore& store, const Clock& clock, Random& random)
      : store_(store), clock_(clock), random_(random) {}

  absl::StatusOr<RolloutRules> Get(std::string_view domain) {
    return store_.GetRolloutRules(domain);
  }
  // That one person is enough again takes the word of two: of the first one it is kept as
  // release_by.
  //   kFailedPrecondition ROLLOUT_STATE  the same person has asked for it already
  //   kInvalidArgument FIELD_INVALID     suspended without a reason
  absl::StatusOr<RolloutRules> Update(const RulesRequest& request, const RulesEdit& edit);
  // `freeze`: begin, end and reason; the rest is filled in.
  //   kInvalidArgument FIELD_INVALID
  struct Frozen {
    RolloutRules rules;
    RolloutFreeze freeze;
  };
  absl::StatusOr<Frozen> AddFreeze(const RulesRequest& request, RolloutFreeze freeze);
  //   kNotFound RESOURCE_NOT_FOUND
  absl::StatusOr<RolloutRules> RemoveFreeze(const RulesRequest& request, std::string_view id);

 private:
  using Change = std::function<absl::StatusOr<std::string>(RolloutRules&, absl::Time)>;
  // `change` gives what the log tells; empty: nothing is changed.
  absl::StatusOr<RolloutRules> Put(const RulesRequest& request, const Change& change);

  RolloutRulesStore& store_;
  const Clock& clock_;
  Random& random_;
};

// Puts into the evidence of a domain what its rules and those of all say. Of freezes those that are
// not over. Rules that cannot be read suspend the domain, and say so.
void AddStandingRules(RolloutRulesStore& store, const std::string& domain, absl::Time now,
                      ControlEvidence& control, StandingRules& standing);
inline void AddStandingRules(RolloutRulesStore& store, absl::Time now, Evidence& evidence) {
  AddStandingRules(store, evidence.domain, now, evidence.control, evidence.rules);
}

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_ROLLOUT_RULES_BOOK_H_
