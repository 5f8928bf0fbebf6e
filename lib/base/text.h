// lib/base/text.h
// Text without mail words: crossing between std and abseil views, ASCII folding, and making
// strangers' bytes safe to store (valid UTF-8) and to print (no control characters).

#ifndef DMARCATE_LIB_BASE_TEXT_H_
#define DMARCATE_LIB_BASE_TEXT_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace dmarcate {

// Debian builds abseil with a string_view of its own that converts to and from nothing.
inline absl::string_view ToAbsl(std::string_view s) { return {s.data(), s.size()}; }
inline std::string_view ToStd(absl::string_view s) { return {s.data(), s.size()}; }

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
};
// A map with std::string keys that is searched by std::string_view without a copy.
template <typename V>
using StringMap = absl::flat_hash_map<std::string, V, StringHash, std::equal_to<>>;

// ASCII only, never the locale.
char AsciiLower(char c);
std::string AsciiLower(std::string_view s);
bool EqualsIgnoreCase(std::string_view a, std::string_view b);
bool StartsWithIgnoreCase(std::string_view text, std::string_view prefix);
// Without ASCII blanks (space, tab, CR, LF, VT, FF) at both ends.
std::string_view TrimAscii(std::string_view s);
// Pieces between `separator`, empty ones included. Views into `s`.
std::vector<std::string_view> Split(std::string_view s, char separator);
std::string Join(const std::vector<std::string>& parts, std::string_view separator);

bool IsValidUtf8(std::string_view s);
// Invalid sequences become U+FFFD, one for each maximal bad run. protobuf refuses to read a
// string field that is not valid UTF-8, so everything from outside passes here first.
std::string ToValidUtf8(std::string_view s);
// For a terminal or a log line: control characters, bidi overrides and invalid bytes as \xNN or
// \u{N}; one line in, one line out.
std::string EscapeForTerminal(std::string_view s);

std::string ToHex(std::string_view bytes);
// The bytes, or an empty string if `hex` is not an even number of hex digits.
std::string FromHex(std::string_view hex);

// The candidate nearest to `word` by edit distance, or empty if none is near (distance over a
// third of its length, at least 2). For "did you mean".
std::string Nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_TEXT_H_
