// lib/mailauth/uri.h
// The URIs that records name: where reports go (RFC 9989 section 4.8, RFC 8460 section 3) and where
// a file lies. As much of RFC 3986 as these grammars ask for. Pure.

#ifndef DMARCATE_LIB_MAILAUTH_URI_H_
#define DMARCATE_LIB_MAILAUTH_URI_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dmarcate {

struct Uri {
  std::string text;    // as written
  std::string scheme;  // lower case: "mailto"
  std::string
      mailbox;       // mailto only: "reports@example.net", percent-decoded: any octets; else empty
  std::string host;  // lower case, of the mailbox or the authority; empty if there is none. An IPv6
                     // address has its brackets: "[2001:db8::1]"

  friend bool operator==(const Uri&, const Uri&) = default;
};

// No blanks around it. ',' and ';', which lists and records are cut at, must be percent-encoded.
//   kInvalidArgument  the message quotes the text and says why it is none
absl::StatusOr<Uri> ParseUri(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_URI_H_
