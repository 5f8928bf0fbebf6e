// policyd/provider/digitalocean/digitalocean_api.h
// DigitalOcean DNS: class B. A record is changed in place by its id, without a precondition. The
// API takes one record at a time: a change of several is several writes, and one that stops between
// them is of unknown outcome.
//
// Limits as of 2026-11, to be checked at docs.digitalocean.com/reference/api and observed by other
// clients (reference/providers.md section 6); the host enforces them, but for the TTL nothing here
// counts:
//   5,000 requests an hour and 250 a minute for a token; then 429
//   200 zones or records a page; TTL of 30 s at least
//   a text of about 509 octets as quoted: an RSA-2048 key fits, a 4096 one does not
//   no backslash, none empty. Texts are raw: where they are cut is the host's choice

#ifndef DMARCATE_POLICYD_PROVIDER_DIGITALOCEAN_DIGITALOCEAN_API_H_
#define DMARCATE_POLICYD_PROVIDER_DIGITALOCEAN_DIGITALOCEAN_API_H_

#include <memory>

#include "absl/status/statusor.h"

#include "policyd/provider/hosted_types.h"

namespace dmarcate {

// No settings. `secret`: an API token with the scopes domain:read, create, update and delete.
absl::StatusOr<std::unique_ptr<ZoneApi>> OpenDigitalOcean(const HostedSettings& settings,
                                                          Secret secret);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_DIGITALOCEAN_DIGITALOCEAN_API_H_
