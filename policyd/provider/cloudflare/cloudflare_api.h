// policyd/provider/cloudflare/cloudflare_api.h
// Cloudflare DNS: class B. A record is changed in place by its id, without a precondition; several
// records in one batch, which is one transaction in the database of the API. Its servers take the
// records over one by one.
//
// Limits as of 2026-11, to be checked at developers.cloudflare.com/api/resources/dns and
// /fundamentals/api/reference /limits; the host enforces them, nothing here counts:
//   1,200 requests in 5 minutes for a user over all tokens, then 429 for up to 5 minutes
//   50 zones, 100 records (5,000 at most) a page; 200 changes in a batch (free plans)
//   TTL 60 to 86,400 s (30 with Enterprise); 1 is automatic, which is served as 300
//   TXT of 2,048 characters, 8,192 for all of a name; none is empty
// A TXT text is sent as quoted strings. Records from before that rule come back raw.

#ifndef DMARCATE_POLICYD_PROVIDER_CLOUDFLARE_CLOUDFLARE_API_H_
#define DMARCATE_POLICYD_PROVIDER_CLOUDFLARE_CLOUDFLARE_API_H_

#include <memory>

#include "absl/status/statusor.h"

#include "policyd/provider/hosted_types.h"

namespace dmarcate {

// No settings. `secret`: an API token with Zone:Read and DNS:Edit for the zones that it is for.
absl::StatusOr<std::unique_ptr<ZoneApi>> OpenCloudflare(const HostedSettings& settings,
                                                        Secret secret);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_CLOUDFLARE_CLOUDFLARE_API_H_
