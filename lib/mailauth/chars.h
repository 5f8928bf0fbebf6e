// lib/mailauth/chars.h
// The character classes of ABNF (RFC 5234 appendix B) that the record grammars share. ASCII only.

#ifndef DMARCATE_LIB_MAILAUTH_CHARS_H_
#define DMARCATE_LIB_MAILAUTH_CHARS_H_

#include <string_view>

namespace dmarcate {

constexpr bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsHexDigit(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
constexpr bool IsBlank(char c) { return c == ' ' || c == '\t'; }  // WSP

// Without blanks at both ends.
constexpr std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_CHARS_H_
