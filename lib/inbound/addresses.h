// The addresses of a host that a stranger's DNS names.

#ifndef DMARCATE_LIB_INBOUND_ADDRESSES_H_
#define DMARCATE_LIB_INBOUND_ADDRESSES_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/base/ip_address.h"
#include "lib/dns/resolver.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

struct HostAddresses {
  std::vector<IpAddress> addresses;  // the first IPv4, the first IPv6, then the others; may be none
  bool secure = false;               // DNSSEC vouches for both answers, aliases included
  DomainName final_name;             // behind aliases; the host itself if the answers differ in it
};
// An error if one of the two questions brought none of the answers: what is not known may be the
// address that counts.
absl::StatusOr<HostAddresses> LookupAddresses(const DomainName& host, Resolver& resolver);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INBOUND_ADDRESSES_H_
