// Whether a TLSA record stands for the certificates that a mail server sends (RFC 7672 section 3,
// RFC 7671). Pure; OpenSSL compares and builds chains.

#ifndef DMARCATE_LIB_INBOUND_DANE_H_
#define DMARCATE_LIB_INBOUND_DANE_H_

#include <string>
#include <vector>

#include "absl/time/time.h"

#include "lib/mailauth/domain_name.h"
#include "lib/mailauth/tlsa_record.h"

namespace dmarcate {

// `chain`: DER as the server sent it, its own first. `names`: what the certificate may be for, of
// which one suffices: the TLSA base domain, and the domain that has the MX (RFC 7672 section
// 3.2.2). DANE-EE(3) looks at neither names nor times; DANE-TA(2) needs the authority in the chain,
// signatures up to it, times and a name. False for a record that is not usable.
bool MatchesTlsa(const TlsaRecord& record, const std::vector<std::string>& chain,
                 const std::vector<DomainName>& names, absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INBOUND_DANE_H_
