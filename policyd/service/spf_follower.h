// policyd/service/spf_follower.h
// Follows vendors whose addresses stand in child records. Where the watch has found that one lets
// other addresses through now (SPF_VENDOR_CHANGED), the plan that publishes them is made and waits
// for a person; or, if the operator wants that, is applied, within limits. What is published goes
// through a plan, its guards and its proof like anything else.

#ifndef DMARCATE_POLICYD_SERVICE_SPF_FOLLOWER_H_
#define DMARCATE_POLICYD_SERVICE_SPF_FOLLOWER_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/store/insight_store.h"
#include "lib/store/policy_store.h"
#include "policyd/plan/spf_follow.h"
#include "policyd/reconcile/change_engine.h"

namespace dmarcate {

// The principal of its plans.
inline constexpr std::string_view kSpfFollower = "automation:spf-follow";
// How long they wait. One that nobody applied is made anew after that, as long as the insight is
// open.
inline constexpr absl::Duration kSpfFollowLifetime = absl::Hours(24);

class SpfFollower {
 public:
  SpfFollower(PolicyStore& policies, InsightStore& insights, ChangeEngine& engine,
              const Clock& clock, SpfFollowMode mode)
      : policies_(policies), insights_(insights), engine_(engine), clock_(clock), mode_(mode) {}

  // All domains, one after the other. What goes wrong with one is logged, and comes again.
  void Tick();

 private:
  enum class Step : uint8_t { kNothing, kPlanned, kApplied };
  absl::StatusOr<Step> Follow(const DomainRecord& domain);

  PolicyStore& policies_;
  InsightStore& insights_;
  ChangeEngine& engine_;
  const Clock& clock_;
  const SpfFollowMode mode_;
};

// Whether nobody has to look at `change` before it is applied: it means the same record, term for
// term, and no vendor has changed by more than FollowLimits.
bool MayFollowAlone(const ChangeRecord& change);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_SPF_FOLLOWER_H_
