// policyd/provider/dnsimple/dnsimple_api.h
// DNSimple: class B. A record is changed in place by its id, without a precondition, and one at a
// time (batches are for some plans only): a change of several that stops between them is of unknown
// outcome.
//
// Limits as of 2026-11, to be checked at developer.dnsimple.com/v2, as other clients observed them
// (reference/providers.md section 11); the host enforces them, but for the TTL and the octets
// nothing here counts:
//   2,400 requests an hour; 100 zones or records a page
//   a text of 1,000 characters; none is empty. It is sent as quoted strings, and read quoted or
//   raw. Only printable ASCII is written
//   TTL 60 s at least (ours)
//   records of the system and of other records, such as an ALIAS, cannot be changed
// Rights: GET /whoami says whose the token is; scopes of a token are not shown to it.

#ifndef DMARCATE_POLICYD_PROVIDER_DNSIMPLE_DNSIMPLE_API_H_
#define DMARCATE_POLICYD_PROVIDER_DNSIMPLE_DNSIMPLE_API_H_

#include <memory>

#include "absl/status/statusor.h"

#include "policyd/provider/hosted_types.h"

namespace dmarcate {

// Settings: "account", its number (by default the one that the token is of); "environment",
// production or sandbox. `secret`: an access token.
absl::StatusOr<std::unique_ptr<ZoneApi>> OpenDnsimple(const HostedSettings& settings,
                                                      Secret secret);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_DNSIMPLE_DNSIMPLE_API_H_
