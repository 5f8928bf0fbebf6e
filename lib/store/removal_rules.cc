// What every removal store decides alike.

#include <algorithm>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/removal_store.h"

namespace dmarcate {

std::string_view ToString(RemovedKind kind) {
  return kind == RemovedKind::kDomain ? "domain" : "provider";
}

RemovalRecord RemovalOf(const DomainRecord& domain, const RemovalRequest& request) {
  RemovalRecord out{domain.name, domain.uid,        domain.revision,        domain.create_time,
                    request.now, request.principal, domain.report_addresses};
  for (ReportAddressRecord& address : out.report_addresses) {
    address.revoke_time = std::min(address.revoke_time, request.now);
  }
  return out;
}

RemovalRecord RemovalOf(const DnsProviderRecord& provider, const RemovalRequest& request) {
  return {provider.id,       "", provider.revision, provider.create_time, request.now,
          request.principal, {}};
}

absl::Status WasRemoved(RemovedKind kind, std::string_view id) {
  return MakeError(absl::StatusCode::kNotFound,
                   fmt::format("{} {}: it was removed",
                               kind == RemovedKind::kDomain ? "domain" : "dns provider", id));
}

}  // namespace dmarcate
