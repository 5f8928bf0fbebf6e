// policyd/provider/ns1/ns1_api.h
// NS1 (IBM NS1 Connect): class C. A set is replaced as a whole, without a precondition. A new set
// is created: that fails where one is already. Answers go back as they came, with their ids.
//
// Limits as of 2026-11, to be checked at developer.ibm.com/apis/catalog/ns1 and observed by other
// clients (reference/providers.md section 15); the host enforces them, nothing here counts:
//   a token bucket for each kind of call; 429 over it
//   2,500 zones a page
//   a text is one raw string, none is empty. Where it is cut is the choice of the host. No limits
//   of a TTL are stated sets with filters, regions, metadata, links or a tier (traffic steering)
//   are not changed, nor zones that are secondary or linked to another
// Rights: GET /account/apikeys is for keys with "Manage API keys" (IBM, "Account permissions").

#ifndef DMARCATE_POLICYD_PROVIDER_NS1_NS1_API_H_
#define DMARCATE_POLICYD_PROVIDER_NS1_NS1_API_H_

#include <memory>

#include "absl/status/statusor.h"

#include "policyd/provider/hosted_types.h"

namespace dmarcate {

// No settings. `secret`: an API key that may view and manage zones.
absl::StatusOr<std::unique_ptr<ZoneApi>> OpenNs1(const HostedSettings& settings, Secret secret);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_NS1_NS1_API_H_
