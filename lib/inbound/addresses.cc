#include "lib/inbound/addresses.h"

#include <algorithm>

#include "lib/base/status_macros.h"

namespace dmarcate {

absl::StatusOr<HostAddresses> LookupAddresses(const DomainName& host, Resolver& resolver) {
  DMARCATE_ASSIGN_OR_RETURN(const DnsAnswer v4, resolver.Lookup(host, RrType::kA));
  DMARCATE_ASSIGN_OR_RETURN(const DnsAnswer v6, resolver.Lookup(host, RrType::kAaaa));
  HostAddresses out;
  for (size_t i = 0; i < std::max(v4.texts.size(), v6.texts.size()); ++i) {
    for (const DnsAnswer* const answer : {&v4, &v6}) {
      if (i >= answer->texts.size()) continue;
      if (const auto address = IpAddress::Parse(answer->texts[i]))
        out.addresses.push_back(*address);
    }
  }
  out.secure = v4.validated && v6.validated;
  const DomainName& behind = v4.cname_chain.empty() ? host : v4.cname_chain.back();
  out.final_name =
      behind == (v6.cname_chain.empty() ? host : v6.cname_chain.back()) ? behind : host;
  return out;
}

}  // namespace dmarcate
