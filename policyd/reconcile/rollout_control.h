// policyd/reconcile/rollout_control.h
// What the policy store says about whether policyd may move a domain's policies.

#ifndef DMARCATE_POLICYD_RECONCILE_ROLLOUT_CONTROL_H_
#define DMARCATE_POLICYD_RECONCILE_ROLLOUT_CONTROL_H_

#include <string>

#include "lib/store/policy_store.h"
#include "policyd/rollout/evidence.h"
#include "policyd/rollout/state.h"

namespace dmarcate {

// Proof of the domain, a change that is open beside the rollout's own, and one that needs
// attention. What cannot be read counts as a change that nobody can name.
ControlEvidence ReadControl(const RolloutState& state, PolicyStore& policies);
// The same for whatever moves the record at `owner`, by `own_change` now (its id; empty: by none).
ControlEvidence ReadControl(const std::string& domain, const std::string& owner,
                            const std::string& own_change, PolicyStore& policies);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_ROLLOUT_CONTROL_H_
