// policyd/provider/googleclouddns/jwt.h
// JSON Web Tokens signed by RS256 (RFC 7519, RFC 7518 section 3.3), over OpenSSL.

#ifndef DMARCATE_POLICYD_PROVIDER_GOOGLECLOUDDNS_JWT_H_
#define DMARCATE_POLICYD_PROVIDER_GOOGLECLOUDDNS_JWT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "lib/base/secret.h"

namespace dmarcate {

// RFC 4648 section 5, without padding.
std::string Base64UrlEncode(std::string_view data);

// "header.claims.signature" of two JSON texts.
//   kInvalidArgument  `pem` is no RSA private key, or one of under 2,048 bits; none of its text
absl::StatusOr<std::string> SignJwtRs256(std::string_view header, std::string_view claims,
                                         const Secret& pem);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_GOOGLECLOUDDNS_JWT_H_
