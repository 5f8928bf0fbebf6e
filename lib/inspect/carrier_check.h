// lib/inspect/carrier_check.h
// What the mail that carries a report proves about its sender, by the DNS of now: DKIM, SPF and
// DMARC as a receiver finds them (RFC 9989 section 5.3).
//
// It can be made to ask at most 200 questions, for 20 seconds where the resolver's deadline is
// five, and to wait for at most three that nobody answers; what is over that is as if it had not
// been answered. Answers are remembered for the one mail.

#ifndef DMARCATE_LIB_INSPECT_CARRIER_CHECK_H_
#define DMARCATE_LIB_INSPECT_CARRIER_CHECK_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/base/ip_address.h"
#include "lib/dns/resolver.h"
#include "lib/mailauth/alignment.h"
#include "lib/mailauth/carrier.h"

namespace dmarcate {

inline constexpr int kMaxCarrierLookups = 200;
inline constexpr int kMaxCarrierTimeOuts = 3;
// After this no question begins; the last one may take the resolver's deadline longer.
inline constexpr absl::Duration kCarrierAskingTime = absl::Seconds(15);

// The SMTP session that brought the mail, where it was ours to see.
struct CarrierEnvelope {
  IpAddress client;
  std::string helo;
  std::string mail_from;  // without angle brackets; empty for the null sender
};

// `now`: when the mail arrived; x= and t= of signatures are compared with it. `clock` measures the
// time it takes. Never fails: what is no mail, or has more header than MailLimits, proves nothing
// and is kPermError.
//
// In relaxed mode an identifier is aligned if both ways to an Organizational Domain say so: the
// public suffix list, and, where a policy applies, the tree walk. So neither a suffix that is not
// on the list nor a domain that says psd=n lends its name to others.
CarrierAuth CheckCarrier(std::string_view mail, const std::optional<CarrierEnvelope>& envelope,
                         Resolver& resolver, const PublicSuffixList& suffixes, const Clock& clock,
                         absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INSPECT_CARRIER_CHECK_H_
