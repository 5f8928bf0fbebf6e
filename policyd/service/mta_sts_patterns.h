// policyd/service/mta_sts_patterns.h
// The mail servers that an MTA-STS policy is to name: those that a person gives, else the hosts of
// the live MX records, which he accepts with that.

#ifndef DMARCATE_POLICYD_SERVICE_MTA_STS_PATTERNS_H_
#define DMARCATE_POLICYD_SERVICE_MTA_STS_PATTERNS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/dns/resolver.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

// To which the MX records lead; of a domain without any the domain itself (RFC 5321 section 5.1),
// with a null MX none.
absl::StatusOr<std::vector<std::string>> LiveMxHosts(const DomainName& domain, Resolver& resolver);

// `named`, else `hosts` (of LiveMxHosts), in normal form. `field` is named in errors.
//   kInvalidArgument FIELD_INVALID  one is no pattern, or the domain receives no mail
//   kUnavailable DNS_UNAVAILABLE    none is named, and the MX records could not be read
absl::StatusOr<std::vector<std::string>> StsPatterns(
    const DomainName& domain, const std::vector<std::string>& named,
    const absl::StatusOr<std::vector<std::string>>& hosts, std::string_view field);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_MTA_STS_PATTERNS_H_
