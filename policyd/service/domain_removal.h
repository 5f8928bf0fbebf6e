// policyd/service/domain_removal.h
// DomainService.DeleteDomain: what is in the way of a removal, what stays behind, and the removal.

#ifndef DMARCATE_POLICYD_SERVICE_DOMAIN_REMOVAL_H_
#define DMARCATE_POLICYD_SERVICE_DOMAIN_REMOVAL_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "dmarcate/v1/domain.pb.h"
#include "lib/store/fleet_store.h"
#include "lib/store/policy_store.h"
#include "lib/store/removal_store.h"
#include "lib/store/rollout_store.h"

namespace dmarcate {

// What knows of a domain beside the policy store. All outlive the services.
struct DomainStores {
  RemovalStore& removals;
  RolloutStore& rollouts;
  RolloutStore& mta_sts_rollouts;
  FleetStore& fleets;
};

// What must have ended before a domain may go. Of several things the first one is told:
//   kAborted CHANGE_IN_PROGRESS          a change, begun or scheduled; a fleet change with work
//   left kFailedPrecondition ROLLOUT_STATE    a rollout that was not ended, or cannot be read
// Metadata names it: "change", "fleet_change" or "rollout".
absl::Status CheckRemovable(const std::string& domain, PolicyStore& policies,
                            const DomainStores& stores, absl::Time now);

// A change of the domain that has begun and not ended: while there is one, the domain stays bound
// as it is.
//   kAborted CHANGE_IN_PROGRESS
absl::Status CheckNoneBegun(const std::string& domain, PolicyStore& policies);

// Fills `out` but for the domain itself, and removes it unless that is only asked for.
//   as DeleteDomain in domain.proto
absl::Status RemoveDomain(const DomainRecord& domain, const v1::DeleteDomainRequest& in,
                          std::string_view principal, absl::Time now, PolicyStore& policies,
                          const DomainStores& stores, v1::DeleteDomainResponse* out);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_DOMAIN_REMOVAL_H_
