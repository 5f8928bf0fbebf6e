// lib/snapshot/report_address.h
// The address at which the reports about one domain arrive: "r-0123456789abcdef@reports.example".
// Nobody can guess one, so mail to it comes from somebody who has read the domain's DMARC Policy
// Record; one that is flooded is revoked without touching those of other domains. Pure.

#ifndef DMARCATE_LIB_SNAPSHOT_REPORT_ADDRESS_H_
#define DMARCATE_LIB_SNAPSHOT_REPORT_ADDRESS_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "lib/mailauth/domain_name.h"

namespace dmarcate {

// What MakeReportAddress() takes: 80 random bits are 16 digits of base32.
inline constexpr size_t kReportAddressSeedBytes = 10;

// Whether this is "r-" and 16 digits of lower-case Crockford base32, the form of every local part
// that is made here.
bool IsReportLocalPart(std::string_view local_part);

// `seed`: kReportAddressSeedBytes random bytes. `host`: of ParseReportHost().
std::string MakeReportAddress(const DomainName& host, std::string_view seed);

// The domain of the addresses: a host name of two labels or more that leaves room for the local
// part within the 254 octets of an address (RFC 5321 section 4.5.3.1.3). kInvalidArgument says
// what is wrong with `text`.
absl::StatusOr<DomainName> ParseReportHost(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_SNAPSHOT_REPORT_ADDRESS_H_
