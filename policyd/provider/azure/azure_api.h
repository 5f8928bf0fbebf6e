// policyd/provider/azure/azure_api.h
// Azure DNS: class A. A set is replaced or deleted under the condition that its ETag is the one
// that was read (If-Match), and created under the condition that there is none (If-None-Match: *).
//
// Limits as of 2026-11, to be checked at
// learn.microsoft.com/azure/azure-resource-manager/management /azure-subscription-service-limits
// (Azure DNS) and /rest/api/dns; the host enforces them, but for the TTL nothing here counts:
//   10,000 sets a zone, 20 records a set; 500 reads and 200 writes of sets in 5 minutes a zone
//   4,096 characters for all texts of a set (1,024 in national clouds), strings of 255; none is
//   empty TTL 1 to 2,147,483,647 s
// Strings are raw text: octets that are no UTF-8 cannot be written. Alias sets are not changed.

#ifndef DMARCATE_POLICYD_PROVIDER_AZURE_AZURE_API_H_
#define DMARCATE_POLICYD_PROVIDER_AZURE_AZURE_API_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "policyd/provider/hosted_types.h"

namespace dmarcate {

// Settings: tenant_id, client_id, subscription_id; resource_group, if only its zones are meant;
// cloud, "public" (default), "china" or "usgovernment". `secret`: a client secret of the app.
absl::StatusOr<std::unique_ptr<ZoneApi>> OpenAzureDns(const HostedSettings& settings,
                                                      Secret secret);

// Whether role patterns ("Microsoft.Network/dnsZones/*") allow an action, without regard to case.
bool AzureAllows(const std::vector<std::string>& actions,
                 const std::vector<std::string>& not_actions, std::string_view action);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_AZURE_AZURE_API_H_
