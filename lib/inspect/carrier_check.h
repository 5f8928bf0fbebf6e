// lib/inspect/carrier_check.h
// What the mail that carries a report proves about its sender, by the DNS of now: DKIM, SPF and
// DMARC as a receiver finds them (RFC 9989 section 5.3).
//
// It can be made to ask at most 200 questions, answers are remembered for the one mail, and each
// ends by the resolver's deadline; what is over that is as if it had not been answered.

#ifndef DMARCATE_LIB_INSPECT_CARRIER_CHECK_H_
#define DMARCATE_LIB_INSPECT_CARRIER_CHECK_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

#include "lib/base/ip_address.h"
#include "lib/dns/resolver.h"
#include "lib/mailauth/alignment.h"
#include "lib/mailauth/carrier.h"

namespace dmarcate {

inline constexpr int kMaxCarrierLookups = 200;

// The SMTP session that brought the mail, where it was ours to see.
struct CarrierEnvelope {
  IpAddress client;
  std::string helo;
  std::string mail_from;  // without angle brackets; empty for the null sender
};

// `now`: when the mail arrived; x= and t= of signatures are compared with it. Never fails: what is
// no mail, or has more header than MailLimits, proves nothing and is kPermError.
//
// In relaxed mode an identifier is aligned if both ways to an Organizational Domain say so: the
// public suffix list, and, where a policy applies, the tree walk. So neither a suffix that is not
// on the list nor a domain that says psd=n lends its name to others.
CarrierAuth CheckCarrier(std::string_view mail, const std::optional<CarrierEnvelope>& envelope,
                         Resolver& resolver, const PublicSuffixList& suffixes, absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INSPECT_CARRIER_CHECK_H_
