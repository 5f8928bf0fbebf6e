// policyd/service/provider_config.h
// An account as the API shows it, to the record that is stored and back.

#ifndef DMARCATE_POLICYD_SERVICE_PROVIDER_CONFIG_H_
#define DMARCATE_POLICYD_SERVICE_PROVIDER_CONFIG_H_

#include "absl/status/status.h"

#include "dmarcate/v1/provider.pb.h"
#include "lib/store/policy_store.h"
#include "policyd/provider/factory.h"

namespace dmarcate {

// Fills type, settings, zones and the name of the secret, and nothing else.
//   kInvalidArgument     FIELD_REQUIRED, FIELD_INVALID, CREDENTIAL_MALFORMED
//   kFailedPrecondition  PROVIDER_CREDENTIAL  the secret is not for that
absl::Status ReadProviderConfig(const v1::DnsProvider& in, const ProviderFactory& providers,
                                DnsProviderRecord* record);

v1::DnsProvider ShowProvider(const DnsProviderRecord& record);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_PROVIDER_CONFIG_H_
