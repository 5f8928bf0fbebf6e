// Where a connection may go when a stranger chose the host: to public addresses, and to networks
// that the operator allows. Domains name mail servers and web servers in their DNS; without this
// guard a record could send us to the machine's own services, or to those of its network.
//
// A name is resolved once, every address is held against the guard, and the connection is pinned to
// one that passed: a second answer of the DNS decides nothing (rebinding).

#ifndef DMARCATE_LIB_HTTP_EGRESS_H_
#define DMARCATE_LIB_HTTP_EGRESS_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/base/ip_address.h"
#include "lib/http/transport.h"

namespace dmarcate {

// What an address that no stranger should name is for: "private use"; empty for a public one. By
// the special-purpose registries of IANA (RFC 6890 and its updates), of which every entry is
// refused, the few that are globally reachable, too: none of them is a host. Of IPv6 only the
// unicast space that IANA gives out (2000::/3) is public. In a NAT64 address (RFC 6052) the
// embedded IPv4 address decides, since behind NAT64 every host of IPv4 looks like that.
std::string_view SpecialPurpose(const IpAddress& address);
inline bool IsPublicAddress(const IpAddress& address) { return SpecialPurpose(address).empty(); }

// Thread-safe; a value.
struct EgressGuard {
  std::vector<IpNetwork> allow;  // whatever they are for

  //   kPermissionDenied  "10.1.2.3: private use"
  absl::Status Check(const IpAddress& address) const;
};

// Sends `request` to the first of `addresses` that can be connected to, at `port`; at most two are
// tried, and share its deadline. All of them must pass `guard`, or nothing is sent: a name
// with a public and a private address is no mistake. The certificate is the URL host's.
//   kPermissionDenied  the guard
//   kInvalidArgument   no https URL, no address, or a request that pins its address already
//   others             as HttpTransport::Send
absl::StatusOr<HttpResponse> SendGuarded(HttpTransport& http, HttpRequest request,
                                         const std::vector<IpAddress>& addresses, uint16_t port,
                                         const EgressGuard& guard);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_HTTP_EGRESS_H_
