// policyd/service/provider_change.h
// ProviderService.UpdateDnsProvider and DeleteDnsProvider: what an account becomes, whether it may
// now, and whether the new one works.

#ifndef DMARCATE_POLICYD_SERVICE_PROVIDER_CHANGE_H_
#define DMARCATE_POLICYD_SERVICE_PROVIDER_CHANGE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "dmarcate/v1/provider.pb.h"
#include "lib/store/policy_store.h"
#include "policyd/provider/factory.h"

namespace dmarcate {

// `before` with what the mask of `in` names.
//   kInvalidArgument  UPDATE_MASK_REQUIRED, UPDATE_MASK_INVALID (another type's configuration too),
//                     and as ReadProviderConfig
absl::StatusOr<DnsProviderRecord> MergeProvider(const DnsProviderRecord& before,
                                                const v1::UpdateDnsProviderRequest& in,
                                                const ProviderFactory& providers);

// A change that is under way may be taken up again through the new configuration: with another
// credential it goes on where it is, anywhere else it would meet another zone.
//   kAborted CHANGE_IN_PROGRESS  more than the secret's name differs, and there is one
absl::Status CheckProviderChange(const DnsProviderRecord& before, const DnsProviderRecord& after,
                                 PolicyStore& policies);

// Tries the credential by reading, and that the zone of each domain bound to the account is there.
//   kFailedPrecondition PROVIDER_CREDENTIAL, PROVIDER_REJECTED, ZONE_NOT_BOUND
//   kUnavailable        PROVIDER_UNAVAILABLE
absl::StatusOr<v1::DnsProviderTestResult> TryProvider(const DnsProviderRecord& record,
                                                      PolicyStore& policies,
                                                      ProviderFactory& providers);

//   kFailedPrecondition GUARD_REFUSED     PROVIDER_IN_USE: domains are bound to it
//   kAborted CHANGE_IN_PROGRESS           a change that began or is scheduled was planned with it
absl::Status CheckProviderUnused(const std::string& id, PolicyStore& policies);

v1::DnsProviderTestResult ToTestResult(const ProviderTest& test, ProviderClass provider_class);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_PROVIDER_CHANGE_H_
