// policyd/provider/hetzner/hetzner_api.h
// Hetzner DNS by the Cloud API: class C. A set is replaced as a whole, without a precondition, and
// comments of its records are sent back. A new set is created: that fails where one is already.
// What is asked for is done by an action, which is awaited. The older DNS Console API, which is
// being shut down, is another one and not spoken here.
//
// Limits as of 2026-11, to be checked at docs.hetzner.cloud/reference/cloud (zones, zone RRSets,
// actions, rate limiting); the host enforces them, but for the TTL nothing here counts:
//   3,600 requests an hour for a project; then 429
//   50 zones or sets a page; TTL 60 to 2,147,483,647 s, none: the zone's
//   a text is quoted strings of at most 255 octets
//   sets under change protection and zones in secondary mode are not changed
// Rights: a token that only reads is refused all but GET (error token_readonly); GET /servers shows
// whether the project has any.

#ifndef DMARCATE_POLICYD_PROVIDER_HETZNER_HETZNER_API_H_
#define DMARCATE_POLICYD_PROVIDER_HETZNER_HETZNER_API_H_

#include <memory>

#include "absl/status/statusor.h"

#include "policyd/provider/hosted_types.h"

namespace dmarcate {

// No settings. `secret`: an API token of the project, with read and write.
absl::StatusOr<std::unique_ptr<ZoneApi>> OpenHetzner(const HostedSettings& settings, Secret secret);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_HETZNER_HETZNER_API_H_
