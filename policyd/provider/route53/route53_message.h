// policyd/provider/route53/route53_message.h
// The XML of Route 53's API (namespace route53.amazonaws.com/doc/2013-04-01), read with suspicion
// and written exactly. Pure.

#ifndef DMARCATE_POLICYD_PROVIDER_ROUTE53_ROUTE53_MESSAGE_H_
#define DMARCATE_POLICYD_PROVIDER_ROUTE53_ROUTE53_MESSAGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/mailauth/domain_name.h"
#include "policyd/provider/api/zone_api.h"

namespace dmarcate {

// ListHostedZonesResponse or ListHostedZonesByNameResponse. Private zones are left out: no mail
// receiver sees them.
struct Route53ZonePage {
  std::vector<HostedZone> zones;
  // The query of the next page, without '?' or '&'; empty at the end.
  std::string next;
};
absl::StatusOr<Route53ZonePage> ParseRoute53Zones(std::string_view xml);

// ListResourceRecordSetsResponse, as far as it is the TXT set at `owner`: the list goes on in the
// order of the zone.
struct Route53RrSetPage {
  HostedRrSet rrset;
  std::string next;  // empty at the end, and where the list has gone past the set
};
absl::StatusOr<Route53RrSetPage> ParseRoute53RrSets(std::string_view xml, const DomainName& owner);

// ChangeInfo of a ChangeResourceRecordSetsResponse or GetChangeResponse.
struct Route53Change {
  std::string id;  // without "/change/"
  bool in_sync = false;
};
absl::StatusOr<Route53Change> ParseRoute53Change(std::string_view xml);

// An answer that is no 2xx, or one of the host's that means failure.
ApiError ParseRoute53Error(std::string_view xml, int http_status);

enum class Route53Type : uint8_t { kTxt, kA };
// A ChangeResourceRecordSetsRequest that deletes the set of this one value, with a TTL of a second:
// refused as a whole, and of no effect, where there is no such set.
std::string MakeRoute53Deletion(const DomainName& owner, Route53Type type, std::string_view value);

// A ChangeResourceRecordSetsRequest that deletes the set exactly as `old_values` and `old_ttl` have
// it and creates the new one; either may be empty. Both in one batch are compare-and-swap.
std::string MakeRoute53ChangeBatch(const DomainName& owner,
                                   const std::vector<std::string>& old_values, uint32_t old_ttl,
                                   const std::vector<std::string>& new_values, uint32_t new_ttl);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_ROUTE53_ROUTE53_MESSAGE_H_
