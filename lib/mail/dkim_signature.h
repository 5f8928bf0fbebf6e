// lib/mail/dkim_signature.h
// The DKIM-Signature field (RFC 6376 section 3.5, with the algorithms of RFC 8301 and RFC 8463).

#ifndef DMARCATE_LIB_MAIL_DKIM_SIGNATURE_H_
#define DMARCATE_LIB_MAIL_DKIM_SIGNATURE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/mailauth/carrier.h"
#include "lib/mailauth/dkim_key.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

enum class DkimCanonicalization : uint8_t { kSimple, kRelaxed };

struct DkimSignature {
  // kNone: it can be verified. kNeutral: it is no tag list, or a value has not its form.
  // kPermError: something is missing, unknown, no longer allowed, or contradicts itself.
  DkimResult defect = DkimResult::kNone;
  std::string reason;  // of a defect

  // As far as they could be read:
  std::string algorithm;  // "rsa-sha256"
  DkimKeyType key_type = DkimKeyType::kRsa;
  DomainName domain;           // d=, the Signing Domain Identifier
  std::string selector;        // s=, lower case
  DomainName key_name;         // where the key is
  DomainName identity_domain;  // of i=, d= where there is none
  DkimCanonicalization header = DkimCanonicalization::kSimple;
  DkimCanonicalization body = DkimCanonicalization::kSimple;
  std::vector<std::string> fields;  // h=, lower case, in order
  std::string signature;            // octets of b=
  std::string body_hash;            // octets of bh=
  std::optional<uint64_t> body_length;
  std::optional<int64_t> signed_at;  // seconds since 1970
  std::optional<int64_t> expires_at;
  // The value of b= with the blanks around it, as positions in the field's value.
  size_t b_begin = 0;
  size_t b_end = 0;
};

// `value`: what stands behind the colon, as sent, folds included. Unknown tags are ignored, and so
// is z=, which is for people.
DkimSignature ParseDkimSignature(std::string_view value);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAIL_DKIM_SIGNATURE_H_
