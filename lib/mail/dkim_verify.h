// lib/mail/dkim_verify.h
// The DKIM signatures of a mail (RFC 6376 section 6, with RFC 8301 and RFC 8463). Pure but for the
// look-up of keys, which is passed in; thread-safe if that is.
//
// Costs are bounded: 5 signatures, 4 key records each, one linear pass over the body for each
// distinct canonicalization and l=. OpenSSL refuses RSA keys over 16384 bits.

#ifndef DMARCATE_LIB_MAIL_DKIM_VERIFY_H_
#define DMARCATE_LIB_MAIL_DKIM_VERIFY_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/mail/mail_fields.h"
#include "lib/mailauth/carrier.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

inline constexpr size_t kMaxDkimSignatures = 5;
// Clocks of senders that are wrong by hours are common; a signature from further ahead is not
// believed.
inline constexpr absl::Duration kDkimFutureTolerance = absl::Hours(12);

// The TXT records at a name, each with its character-strings joined. NXDOMAIN and no data are an
// empty list; an error, whatever its code, is temperror.
using DkimKeyLookup =
    std::function<absl::StatusOr<std::vector<std::string>>(const DomainName& name)>;

struct DkimVerification {
  std::vector<DkimCheck> checks;  // of the first kMaxDkimSignatures, from the top; not `aligned`
  size_t signatures = 0;          // DKIM-Signature fields in the header
};

// `now` is compared with x= and t=. The body hash comes before the key, so that a changed mail
// costs no look-up and an unreachable key means that it alone is missing.
//
// A signature that leaves out a From field of the header is kPolicy: a second From is how other
// text is shown above a signature that is right (RFC 6376 section 8.15).
DkimVerification VerifyDkim(const MailFields& mail, const DkimKeyLookup& lookup, absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAIL_DKIM_VERIFY_H_
