#include "lib/mailauth/spf_macro.h"

#include <algorithm>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr std::string_view kDelimiters = ".-+,/_=";
constexpr int kMaxParts = 128;  // no name has more labels; larger numbers mean the same
constexpr size_t kMaxNameOctets = 253;

// "%{" has been read; `text` begins behind it. Fills `piece` and returns the octets used, "}"
// included.
absl::StatusOr<size_t> ParseBraces(std::string_view text, SpfMacroUse use, size_t position,
                                   SpfMacroPiece& piece) {
  if (text.empty()) return SyntaxError(position, "macro is not closed by '}'");
  const char letter = AsciiLower(text[0]);
  const bool allowed = std::string_view("slodiphv").find(letter) != std::string_view::npos;
  const bool in_explanation = std::string_view("crt").find(letter) != std::string_view::npos;
  if (in_explanation && use == SpfMacroUse::kDomainSpec) {
    return SyntaxError(position, fmt::format("macro letter '{}' is for explanations only", letter));
  }
  if (!allowed && !in_explanation) {
    return SyntaxError(position,
                       fmt::format("no such macro letter: {}", Quoted(text.substr(0, 1))));
  }
  piece.letter = letter;
  piece.url_escape = text[0] != letter;
  size_t i = 1;
  const size_t digits_begin = i;
  for (; i < text.size() && IsDigit(text[i]); ++i) {
    piece.keep = std::min(kMaxParts, piece.keep * 10 + (text[i] - '0'));
  }
  if (i > digits_begin && piece.keep == 0) {
    return SyntaxError(position, "macro keeps 0 labels");
  }
  if (i < text.size() && AsciiLower(text[i]) == 'r') {
    piece.reverse = true;
    ++i;
  }
  while (i < text.size() && kDelimiters.find(text[i]) != std::string_view::npos) {
    piece.delimiters.push_back(text[i++]);
  }
  if (i >= text.size() || text[i] != '}') {
    return SyntaxError(position, "macro is not closed by '}'");
  }
  return i + 1;
}

void AppendLiteral(std::vector<SpfMacroPiece>& pieces, char c, size_t end) {
  if (pieces.empty() || pieces.back().is_macro_expand) pieces.emplace_back();
  pieces.back().literal.push_back(c);
  pieces.back().end = end;
}

// Section 7.3: nibbles with dots for IPv6.
std::string IpForMacro(const IpAddress& ip) {
  if (ip.is_v4()) return ip.ToString();
  const std::string hex = ToHex({reinterpret_cast<const char*>(ip.bytes().data()), 16});
  std::string out;
  for (const char c : hex) {
    if (!out.empty()) out.push_back('.');
    out.push_back(c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c);  // as the RFC's examples do
  }
  return out;
}

std::string ValueOf(char letter, const SpfMacroValues& values) {
  switch (letter) {
    case 's':
      return values.sender;
    case 'l':
      return values.local;
    case 'o':
      return values.sender_domain;
    case 'd':
      return values.domain;
    case 'i':
      return IpForMacro(values.ip);
    case 'p':
      return values.validated.empty() ? "unknown" : values.validated;
    case 'v':
      return values.ip.is_v4() ? "in-addr" : "ip6";
    case 'h':
      return values.helo;
    case 'c':
      return values.ip.ToString();
    case 'r':
      return values.receiver.empty() ? "unknown" : values.receiver;
    case 't':
      return std::to_string(values.unix_seconds);
    default:
      return "";
  }
}

std::string Transform(const std::string& value, const SpfMacroPiece& piece) {
  if (piece.keep == 0 && !piece.reverse && piece.delimiters.empty()) return value;
  const std::string delimiters = piece.delimiters.empty() ? "." : piece.delimiters;
  std::vector<std::string> parts(1);
  for (const char c : value) {
    if (delimiters.find(c) != std::string::npos) {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  if (piece.reverse) std::ranges::reverse(parts);
  if (piece.keep > 0 && parts.size() > static_cast<size_t>(piece.keep)) {
    parts.erase(parts.begin(), parts.end() - piece.keep);
  }
  return Join(parts, ".");
}

std::string UrlEscape(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out.push_back(static_cast<char>(c));
    } else {
      out += fmt::format("%{:02X}", c);
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<SpfMacroPiece>> ParseMacroString(std::string_view text, SpfMacroUse use,
                                                            size_t offset) {
  std::vector<SpfMacroPiece> pieces;
  size_t i = 0;
  while (i < text.size()) {
    const char c = text[i];
    if (c != '%') {
      const bool visible = c > ' ' && c < 0x7f;
      if (!visible && !(c == ' ' && use == SpfMacroUse::kExplanation)) {
        return SyntaxError(offset + i, "not a printable ASCII character");
      }
      AppendLiteral(pieces, c, ++i);
      continue;
    }
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    SpfMacroPiece piece;
    piece.is_macro_expand = true;
    if (next == '{') {
      DMARCATE_ASSIGN_OR_RETURN(const size_t used,
                                ParseBraces(text.substr(i + 2), use, offset + i, piece));
      i += 2 + used;
    } else if (next == '%' || next == '_' || next == '-') {
      piece.literal = next == '%' ? "%" : next == '_' ? " " : "%20";
      i += 2;
    } else {
      return SyntaxError(offset + i, "'%' begins no macro; a percent sign is written '%%'");
    }
    piece.end = i;
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

std::string ExpandMacros(const std::vector<SpfMacroPiece>& pieces, const SpfMacroValues& values) {
  std::string out;
  for (const SpfMacroPiece& piece : pieces) {
    if (piece.letter == 0) {
      out += piece.literal;
      continue;
    }
    const std::string value = Transform(ValueOf(piece.letter, values), piece);
    out += piece.url_escape ? UrlEscape(value) : value;
  }
  return out;
}

bool UsesMacro(std::string_view text, char letter) {
  if (text.find('%') == std::string_view::npos) return false;
  const auto pieces = ParseMacroString(text, SpfMacroUse::kExplanation);
  return pieces.ok() && std::ranges::find(*pieces, letter, &SpfMacroPiece::letter) != pieces->end();
}

std::string FitDomain(std::string name) {
  if (name.ends_with('.')) name.pop_back();
  if (name.size() <= kMaxNameOctets) return name;
  const size_t dot = name.find('.', name.size() - kMaxNameOctets - 1);
  return dot == std::string::npos ? name : name.substr(dot + 1);
}

}  // namespace dmarcate
