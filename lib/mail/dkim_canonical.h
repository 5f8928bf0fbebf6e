// lib/mail/dkim_canonical.h
// The two canonicalizations of RFC 6376 section 3.4, over bytes as they are stored.
//
// A mail that came by IMAP or lies in a Maildir may end its lines with LF. Signatures are made over
// CRLF, so every line end, LF or CRLF, counts as CRLF here. That makes no two messages alike that
// our readers tell apart: they take both for a line end. A CR that no LF follows is an octet like
// any other.

#ifndef DMARCATE_LIB_MAIL_DKIM_CANONICAL_H_
#define DMARCATE_LIB_MAIL_DKIM_CANONICAL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/mail/dkim_signature.h"
#include "lib/mail/header.h"

namespace dmarcate {

struct DkimBodyHash {
  std::string sha256;     // 32 octets
  uint64_t octets = 0;    // hashed
  bool complete = false;  // `limit` was not beyond the end
};
// Hashes the first `limit` octets (l=) of the canonical body, or all. One pass, no copy.
DkimBodyHash HashDkimBody(std::string_view body, DkimCanonicalization canonicalization,
                          std::optional<uint64_t> limit = std::nullopt);

// The canonical field, with CRLF.
std::string CanonicalField(const HeaderField& field, DkimCanonicalization canonicalization);
// The signature's own field: without the value of b=, and without CRLF (section 3.7).
std::string CanonicalSignatureField(const HeaderField& field, const DkimSignature& signature);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAIL_DKIM_CANONICAL_H_
