// lib/inspect/dmarc_discovery.h
// Which DMARC Policy Record applies to a name right now: its own, else that of its Organizational
// Domain or Public Suffix Domain, found by the tree walk of RFC 9989 section 4.10; and whether the
// outside report addresses in it have been authorized by their hosts (RFC 9990 section 4).

#ifndef DMARCATE_LIB_INSPECT_DMARC_DISCOVERY_H_
#define DMARCATE_LIB_INSPECT_DMARC_DISCOVERY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/dns/resolver.h"
#include "lib/mailauth/alignment.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

// Whether the host of a report address wants reports about the policy domain.
enum class ReportAuthorization : uint8_t {
  kNotNeeded,  // the same Organizational Domain
  kAuthorized,
  kUnauthorized,  // the host says nothing: receivers send nothing there
  kUnknown,       // the look-up failed
};
std::string_view ToString(ReportAuthorization authorization);

struct ReportDestination {
  DmarcUri uri;
  ReportAuthorization authorization = ReportAuthorization::kUnknown;
  std::string query_name;  // "example.com._report._dmarc.reports.example.net", if one was asked
  std::string error;       // of kUnknown
};

struct DmarcDiscovery {
  DomainName author_domain;
  std::optional<DomainName> policy_domain;  // where the record stands; absent: DMARC does not apply
  std::optional<DmarcRecord> record;
  DmarcSubject subject = DmarcSubject::kDomain;  // what the Author Domain is to that record
  DomainName organizational_domain;              // by tree walk
  std::vector<DomainName> cname_chain;           // at the Author Domain's _dmarc name
  uint32_t ttl_seconds = 0;
  std::vector<DomainName> queries;              // names asked for, in order
  std::vector<ReportDestination> destinations;  // rua, then ruf
};

// Without the destinations: asks at most 8 names (RFC 9989 section 4.10) and the name itself.
absl::StatusOr<DmarcDiscovery> DiscoverDmarcPolicy(const DomainName& author_domain,
                                                   Resolver& resolver);

// Asks, beyond that, one name for each outside host of rua and ruf, at most 10 of them, and at most
// 8 names for each host below the Organizational Domain (section 5.3.6), at most 10 of them, too.
// What is beyond is kUnknown.
absl::StatusOr<DmarcDiscovery> DiscoverDmarc(const DomainName& author_domain, Resolver& resolver);

// The Organizational Domain of `name` by tree walk; asks at most 8 names.
absl::StatusOr<DomainName> FindOrganizationalDomain(const DomainName& name, Resolver& resolver);

// The name at which `host` says that it wants reports about `policy_domain` (RFC 9990 section 4).
//   kInvalidArgument  it is longer than the DNS allows, so `host` cannot agree
absl::StatusOr<DomainName> ReportAuthorizationName(const DomainName& policy_domain,
                                                   const DomainName& host);

// Who else receives reports. `policy_domain`: where the record stands. Never fails; see kUnknown.
std::vector<ReportDestination> CheckDestinations(const DomainName& policy_domain,
                                                 const DomainName& organizational_domain,
                                                 const std::vector<DmarcUri>& uris,
                                                 Resolver& resolver);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INSPECT_DMARC_DISCOVERY_H_
