#include "policyd/service/mta_sts_patterns.h"

#include "lib/base/status_macros.h"
#include "lib/rpc/errors.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/service/handler.h"

namespace dmarcate {

absl::StatusOr<std::vector<std::string>> LiveMxHosts(const DomainName& domain, Resolver& resolver) {
  DMARCATE_ASSIGN_OR_RETURN(const DnsAnswer answer, resolver.Lookup(domain, RrType::kMx));
  std::vector<std::string> hosts;
  for (const MxRecord& mx : answer.mx) {
    if (!mx.exchange.IsRoot()) hosts.push_back(mx.exchange.text());
  }
  if (answer.mx.empty()) hosts.push_back(domain.text());
  return hosts;
}

absl::StatusOr<std::vector<std::string>> StsPatterns(
    const DomainName& domain, const std::vector<std::string>& named,
    const absl::StatusOr<std::vector<std::string>>& hosts, std::string_view field) {
  if (named.empty() && !hosts.ok()) {
    return WithReason(
        MakeError(absl::StatusCode::kUnavailable,
                  fmt::format("MX of {}: {}", domain.text(), MessageOf(hosts.status()))),
        Reason::kDnsUnavailable);
  }
  if (named.empty() && hosts->empty()) {
    return FieldError(field,
                      fmt::format("{} receives no mail (a null MX); name the servers if it is to",
                                  domain.text()));
  }
  auto normal = NormalizeStsPatterns(named.empty() ? *hosts : named);
  if (!normal.ok()) return FieldError(field, MessageOf(normal.status()));
  return normal;
}

}  // namespace dmarcate
