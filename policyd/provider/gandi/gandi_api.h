// policyd/provider/gandi/gandi_api.h
// Gandi LiveDNS: class C. A set is replaced as a whole, without a precondition. A new set is
// created: that fails where one is already. Never writes to a name without a type, which would
// replace every type of it.
//
// Limits as of 2026-11, to be checked at api.gandi.net/docs/livedns; the host enforces them, but
// for the TTL nothing here counts:
//   1,000 requests a minute for an address; 100 domains a page
//   TTL 300 to 2,592,000 s
//   a text is quoted strings; text without quotes would be cut at blanks
// Domains of other name servers than LiveDNS are not there.
// Rights: id.gandi.net/tokeninfo names the scopes of a token; not in the reference, other clients
// ask it so (2026-11).

#ifndef DMARCATE_POLICYD_PROVIDER_GANDI_GANDI_API_H_
#define DMARCATE_POLICYD_PROVIDER_GANDI_GANDI_API_H_

#include <memory>

#include "absl/status/statusor.h"

#include "policyd/provider/hosted_types.h"

namespace dmarcate {

// No settings. `secret`: a personal access token that may manage the technical configuration of
// domains. One that is confined to another organisation sees none.
absl::StatusOr<std::unique_ptr<ZoneApi>> OpenGandi(const HostedSettings& settings, Secret secret);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_GANDI_GANDI_API_H_
