// What the chains that a mail server showed are worth: to public authorities, and to its TLSA
// records.

#ifndef DMARCATE_LIB_INBOUND_CHAIN_CHECK_H_
#define DMARCATE_LIB_INBOUND_CHAIN_CHECK_H_

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "lib/inbound/certificate.h"
#include "lib/inbound/mail_server.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

// Fills in, of each probe, `certificates`, `problems`, `dane_matches` and `dane_error`; and of each
// TLSA record whether it is usable, counts and matches. `dane_names` as for MatchTlsa. A stranger
// decides how much there is to verify, so `go_on` is asked before each step of each chain: once it
// says why not, the rest is not known, for that reason.
void CheckChains(const std::vector<DomainName>& dane_names, const TrustStore& trust, absl::Time now,
                 const std::function<absl::Status()>& go_on, MailServerPosture& server);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INBOUND_CHAIN_CHECK_H_
