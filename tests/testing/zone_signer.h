// tests/testing/zone_signer.h
// Signs a zone once, with BIND's tools, so that several servers serve the same signed zone; and
// signs one wrong, which no server that signs for itself does.

#ifndef DMARCATE_TESTS_TESTING_ZONE_SIGNER_H_
#define DMARCATE_TESTS_TESTING_ZONE_SIGNER_H_

#include <string>

#include "absl/status/statusor.h"

#include "tests/testing/servers.h"

namespace dmarcate::testing_support {

struct SignedZone {
  TestZone zone;
  std::string dnskey;  // a line of a zone file: a trust anchor
  std::string ds;      // likewise, for the parent zone
};

enum class Validity { kNow, kExpired };

// One key (ECDSA P-256), made anew. Signatures that are kExpired ended in 2020; PowerDNS then
// serves what is in `zone.text` and proves no absence. kNotFound without bind9-utils.
absl::StatusOr<SignedZone> SignZone(const TestZone& zone, Denial denial,
                                    Validity validity = Validity::kNow);

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_TESTING_ZONE_SIGNER_H_
