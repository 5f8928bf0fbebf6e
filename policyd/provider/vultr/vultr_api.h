// policyd/provider/vultr/vultr_api.h
// Vultr DNS: class B. A record is changed in place by its id, without a precondition, and one at a
// time: a change of several that stops between them is of unknown outcome.
//
// Limits as of 2026-11, to be checked at www.vultr.com/api, as other clients observed them
// (reference/providers.md section 14); the host enforces them, nothing here counts:
//   30 requests a second for an address; 429 or 503 over that; 500 domains or records a page
//   the address that asks must be on the allow-list of the key
//   a text has one pair of quotes around it and no quote inside. Where it is cut is the choice of
//   the host. No limits of a TTL are stated
// Rights: GET /account names them (acls), as the API reference and the vendor's Go client have it.

#ifndef DMARCATE_POLICYD_PROVIDER_VULTR_VULTR_API_H_
#define DMARCATE_POLICYD_PROVIDER_VULTR_VULTR_API_H_

#include <memory>

#include "absl/status/statusor.h"

#include "policyd/provider/hosted_types.h"

namespace dmarcate {

// No settings. `secret`: an API key.
absl::StatusOr<std::unique_ptr<ZoneApi>> OpenVultr(const HostedSettings& settings, Secret secret);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_VULTR_VULTR_API_H_
