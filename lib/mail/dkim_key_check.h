// lib/mail/dkim_key_check.h
// One signature against one TXT record at its key's name (RFC 6376 section 6.1.2 and 6.1.3).

#ifndef DMARCATE_LIB_MAIL_DKIM_KEY_CHECK_H_
#define DMARCATE_LIB_MAIL_DKIM_KEY_CHECK_H_

#include <string>
#include <string_view>

#include "lib/mail/dkim_signature.h"
#include "lib/mailauth/carrier.h"

namespace dmarcate {

// Whether a key of the service type tlsrpt (RFC 8460 section 3) may have signed the mail.
enum class DkimService : uint8_t { kMail, kMailOrTlsReport };

struct DkimKeyVerdict {
  // kNone: the record is no DKIM key (of a wildcard, say). Else kPass, kFail, kPolicy or
  // kPermError.
  DkimResult result = DkimResult::kNone;
  std::string reason;  // empty for kPass
  int bits = 0;
  bool revoked = false;
  bool tls_reports_only = false;  // the key's s= has tlsrpt and not email
};

// `digest`: the SHA-256 of what was signed (section 3.7). A signature that is right is still
// kPolicy if its RSA key has under 1024 bits (RFC 8301 section 3.2) or says t=y: mail of a domain
// that tests is to be treated as unsigned.
DkimKeyVerdict CheckDkimKey(std::string_view record, const DkimSignature& signature,
                            std::string_view digest, DkimService service);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAIL_DKIM_KEY_CHECK_H_
