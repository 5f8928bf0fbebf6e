// policyd/provider/porkbun/porkbun_api.h
// Porkbun DNS: class B. A record is changed in place by its id, without a precondition, and one at
// a time: a change of several that stops between them is of unknown outcome. The calls that edit or
// delete by name and type, which act on every TXT record of a name, are never used.
//
// Limits as of 2026-11, to be checked at porkbun.com/api/json/v3/documentation and observed by
// other clients (reference/providers.md section 16):
//   about one request a second, then 503: an account opened here waits 1.2 s between requests
//   1,000 domains a page; TTL 600 s at least
//   texts are raw: where they are cut is the choice of the host. No blank at the end, none empty
//   access by the API is switched on for each domain

#ifndef DMARCATE_POLICYD_PROVIDER_PORKBUN_PORKBUN_API_H_
#define DMARCATE_POLICYD_PROVIDER_PORKBUN_PORKBUN_API_H_

#include <memory>

#include "absl/status/statusor.h"

#include "policyd/provider/hosted_types.h"

namespace dmarcate {

// No settings. `secret`: two lines, "apikey = pk1_..." and "secretapikey = sk1_...". Both travel in
// the body of every request.
absl::StatusOr<std::unique_ptr<ZoneApi>> OpenPorkbun(const HostedSettings& settings, Secret secret);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_PORKBUN_PORKBUN_API_H_
