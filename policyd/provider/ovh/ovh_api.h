// policyd/provider/ovh/ovh_api.h
// OVHcloud DNS: class B. A record is changed in place by its id, without a precondition. Nothing is
// published before the zone is refreshed, so that all records of one change appear together. A
// refresh that may be missing is made up for: after a write of unknown outcome, and where a change
// stands already.
//
// Beside TXT there are types SPF, DKIM and DMARC, which the host publishes as TXT: they are read
// with the others, and keep their type where the new text fits it.
//
// Limits as of 2026-11, to be checked at api.ovh.com/console (/domain) and observed by other
// clients (reference/providers.md section 10); the host enforces them, but for the TTL and the
// octets nothing here counts:
//   every record of a name is one request
//   a timestamp that is more than about 30 s off is refused: the time of the host is asked for
//   TTL 60 s at least; 0, the default of the zone, is shown as 3,600
//   strings of at most 255 octets, quoted, or raw; only printable ASCII is written
// OAuth 2.0 service accounts are not spoken here.

#ifndef DMARCATE_POLICYD_PROVIDER_OVH_OVH_API_H_
#define DMARCATE_POLICYD_PROVIDER_OVH_OVH_API_H_

#include <memory>

#include "absl/status/statusor.h"

#include "policyd/provider/hosted_types.h"

namespace dmarcate {

// Setting "endpoint": eu (default), ca or us. `secret`: three lines, application_key,
// application_secret and consumer_key, as in the ovh.conf of the tools of the vendor. The consumer
// key needs GET /domain/zone and GET, POST, PUT and DELETE below /domain/zone/ZONE/.
absl::StatusOr<std::unique_ptr<ZoneApi>> OpenOvh(const HostedSettings& settings, Secret secret);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_OVH_OVH_API_H_
