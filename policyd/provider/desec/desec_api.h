// policyd/provider/desec/desec_api.h
// deSEC: class C. A set is replaced as a whole, without a precondition. A new set is created: that
// fails where one is already. What is accepted is signed and published in seconds.
//
// Limits as of 2026-11, to be checked at desec.readthedocs.io (dns/rrsets, rate-limits); the host
// enforces them, but for the TTL nothing here counts:
//   of one domain about 2 writes a second, 15 a minute, 100 an hour, 300 a day; reads 10 a second,
//   50 a minute; 2,000 requests a day for an account. Retry-After may be hours: it is shown
//   TTL from the minimum of the domain (often 3,600 s) to 86,400 s
//   500 domains or sets a page, by a cursor
// A token may be confined to domains, names and types by policies.
// It is not shown them, but what it may not see tells: auth/tokens/ wants perm_manage_tokens,
// auth/account/ a token without policies (desec.readthedocs.io, auth/tokens).

#ifndef DMARCATE_POLICYD_PROVIDER_DESEC_DESEC_API_H_
#define DMARCATE_POLICYD_PROVIDER_DESEC_DESEC_API_H_

#include <memory>

#include "absl/status/statusor.h"

#include "policyd/provider/hosted_types.h"

namespace dmarcate {

// No settings: a URL of the caller's own would be sent whatever secret it names. `secret`: a token.
absl::StatusOr<std::unique_ptr<ZoneApi>> OpenDesec(const HostedSettings& settings, Secret secret);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_DESEC_DESEC_API_H_
