// Which TLSA records stand for the certificates that a mail server sends (RFC 7672 section 3,
// RFC 7671). Pure; OpenSSL compares and builds chains.

#ifndef DMARCATE_LIB_INBOUND_DANE_H_
#define DMARCATE_LIB_INBOUND_DANE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/inbound/certificate.h"
#include "lib/mailauth/domain_name.h"
#include "lib/mailauth/tlsa_record.h"

namespace dmarcate {

// Whether each of `records`, all of one server, counts: if it is usable, and if none of the same
// usage and selector has a stronger digest (digest agility, RFC 7671 section 9). One in full counts
// beside digests.
std::vector<bool> CountedTlsa(const std::vector<TlsaRecord>& records);

struct TlsaMatch {
  bool set = false;           // what senders go by: one of those that count stands for the chain
  std::vector<bool> records;  // which of them do, in the order given
};

// Holds all records of a server against one chain. `names`: what the certificate may be for, of
// which one suffices: the TLSA base domain, and the domain that has the MX (RFC 7672 section
// 3.2.2). DANE-EE(3) looks at neither names nor times; DANE-TA(2) needs the authority in the chain,
// signatures up to it, times and a name.
//   kResourceExhausted  a signature would have to be verified with a key that is too large
absl::StatusOr<TlsaMatch> MatchTlsa(const std::vector<TlsaRecord>& records,
                                    const CertificateChain& chain,
                                    const std::vector<DomainName>& names, absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INBOUND_DANE_H_
