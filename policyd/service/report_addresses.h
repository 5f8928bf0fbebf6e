// policyd/service/report_addresses.h
// What becomes of a domain's report addresses: made, rotated, revoked. Pure but for the randomness;
// DomainService stores what comes out, and SnapshotPublisher tells ingestd.

#ifndef DMARCATE_POLICYD_SERVICE_REPORT_ADDRESSES_H_
#define DMARCATE_POLICYD_SERVICE_REPORT_ADDRESSES_H_

#include <cstddef>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "lib/base/random.h"
#include "lib/store/policy_store.h"

namespace dmarcate {

// Of one domain, not revoked. One more is needed while a rotation is under way, and some for those
// who forget to revoke; ingestd has them all in memory.
inline constexpr size_t kMostReportAddresses = 10;
// Of one domain, revoked: the oldest are forgotten. None is ever made a second time.
inline constexpr size_t kMostRevokedAddresses = 100;

// Appends a new address at `host`, a host name of policyd's configuration.
//   kFailedPrecondition  REPORT_DOMAIN_MISSING  `host` is empty
//                        REPORT_ADDRESS_LIMIT   kMostReportAddresses are there
absl::Status AddReportAddress(std::string_view host, absl::Time now, Random& random,
                              DomainRecord* record);

// `address` in any case. One that is revoked already stays as it is.
//   kNotFound  RESOURCE_NOT_FOUND
absl::Status RevokeReportAddress(std::string_view address, absl::Time now, DomainRecord* record);

// Of addresses that are all revoked, those that are kept: the last kMostRevokedAddresses, in order.
std::vector<ReportAddressRecord> LastRevoked(std::vector<ReportAddressRecord> addresses);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_REPORT_ADDRESSES_H_
