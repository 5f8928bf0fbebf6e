// lib/dns/alias.h
// CNAME chains have an end: the limit that the resolvers, the fakes included, share.

#ifndef DMARCATE_LIB_DNS_ALIAS_H_
#define DMARCATE_LIB_DNS_ALIAS_H_

#include <cstddef>
#include <vector>

#include "absl/status/status.h"

#include "lib/base/status_macros.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

inline constexpr size_t kMaxAliases = 8;  // receivers stop near ten; a loop ends here, too

// Adds `target` to the chain that began at `name`. kResourceExhausted if it gets too long.
inline absl::Status AppendAlias(const DomainName& name, const DomainName& target,
                                std::vector<DomainName>& chain) {
  if (chain.size() == kMaxAliases) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     fmt::format("{}: more than {} aliases", name.text(), kMaxAliases));
  }
  chain.push_back(target);
  return absl::OkStatus();
}

}  // namespace dmarcate

#endif  // DMARCATE_LIB_DNS_ALIAS_H_
