// policyd/provider/linode/linode_api.h
// Linode (Akamai) DNS Manager: class B. A record is changed in place by its id, without a
// precondition, and one at a time: a change of several that stops between them is of unknown
// outcome.
//
// Limits as of 2026-11, to be checked at techdocs.akamai.com/linode-api and observed by other
// clients (reference/providers.md section 13); the host enforces them, but for the TTL nothing here
// counts:
//   1,600 requests a minute, 200 for lists; 500 domains or records a page
//   TTL one of 300, 3600, 7200, 14400, 28800, 57600, 86400, 172800, 345600, 604800, 1209600 and
//   2419200 s: the next one up is taken; 0 is the default, 86400
//   only domains of type master can be changed
//   published at quarter hours (observed): up to 20 minutes pass before it is served
// Texts are raw: where they are cut is the choice of the host.

#ifndef DMARCATE_POLICYD_PROVIDER_LINODE_LINODE_API_H_
#define DMARCATE_POLICYD_PROVIDER_LINODE_LINODE_API_H_

#include <memory>

#include "absl/status/statusor.h"

#include "policyd/provider/hosted_types.h"

namespace dmarcate {

// No settings. `secret`: a personal access token with the scope domains:read_write.
absl::StatusOr<std::unique_ptr<ZoneApi>> OpenLinode(const HostedSettings& settings, Secret secret);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_LINODE_LINODE_API_H_
