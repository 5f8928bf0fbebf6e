// lib/mailauth/spf_macro.h
// Macro-strings, RFC 7208 section 7: grammar and expansion. Pure.

#ifndef DMARCATE_LIB_MAILAUTH_SPF_MACRO_H_
#define DMARCATE_LIB_MAILAUTH_SPF_MACRO_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/base/ip_address.h"

namespace dmarcate {

// c, r and t stand for something in the text of an explanation only (section 7.2).
enum class SpfMacroUse : uint8_t { kDomainSpec, kExplanation };

// A literal, or one macro with its transformers.
struct SpfMacroPiece {
  std::string literal;  // if letter is 0; %%, %_ and %- are literals already
  char letter = 0;      // lower case: 's'
  int keep = 0;         // rightmost parts to keep, 0 means all
  bool reverse = false;
  bool url_escape = false;       // the letter was upper case
  std::string delimiters;        // empty means "."
  size_t end = 0;                // octet behind the piece in the macro-string
  bool is_macro_expand = false;  // written as "%...": a domain-spec may end in it
};

// `offset` is added to the positions in errors. In an explanation, blanks are literals too.
absl::StatusOr<std::vector<SpfMacroPiece>> ParseMacroString(std::string_view text, SpfMacroUse use,
                                                            size_t offset = 0);

// What the letters stand for.
struct SpfMacroValues {
  std::string sender;         // s
  std::string local;          // l
  std::string sender_domain;  // o
  std::string domain;         // d
  IpAddress ip;               // i, c, v
  std::string validated;      // p; "unknown" if nothing was validated
  std::string helo;           // h
  std::string receiver;       // r; "unknown" if empty
  int64_t unix_seconds = 0;   // t
};
std::string ExpandMacros(const std::vector<SpfMacroPiece>& pieces, const SpfMacroValues& values);

// Whether the macro-string has the macro `letter` (lower case). False if it does not parse.
bool UsesMacro(std::string_view text, char letter);

// A name over 253 octets loses labels from the left (section 7.3); one trailing dot is stripped.
std::string FitDomain(std::string name);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_SPF_MACRO_H_
