#include "lib/mail/single_address.h"

#include <algorithm>

#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr char kQuotation = '"';  // stands for a whole quoted-string
constexpr std::string_view kBlanks = " \t";

// Beyond ASCII by RFC 6531.
bool IsLetterOrDigit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         static_cast<unsigned char>(c) >= 0x80;
}

// RFC 5322 section 3.2.3.
bool IsAtomText(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-/=?^_`{|}~";
  return IsLetterOrDigit(c) || kOthers.find(c) != std::string_view::npos;
}

bool IsDomainText(char c) { return IsLetterOrDigit(c) || c == '-' || c == '_'; }

// Pieces between dots, none of them empty.
template <typename Predicate>
bool IsDotted(std::string_view text, Predicate is_text) {
  for (const std::string_view piece : Split(text, '.')) {
    if (piece.empty() || !std::ranges::all_of(piece, is_text)) return false;
  }
  return true;
}

bool IsAddress(std::string_view text) {
  const size_t at = text.find('@');
  return at != std::string_view::npos && IsDotted(text.substr(0, at), IsAtomText) &&
         IsDotted(text.substr(at + 1), IsDomainText);
}

std::string_view TrimBlanks(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// A comment becomes a blank, a quotation one mark. nullopt if one of them is not closed or holds
// what could be taken for an address in angle brackets.
std::optional<std::string> WithoutQuotedText(std::string_view value) {
  std::string out;
  bool quoted = false;
  int comments = 0;
  for (const char c : value) {
    const bool inside = quoted || comments > 0;
    if (c == '\\' || (inside && (c == '<' || c == '>'))) return std::nullopt;
    if (comments > 0) {
      comments += c == '(' ? 1 : c == ')' ? -1 : 0;
    } else if (c == '"') {
      quoted = !quoted;
      if (quoted) out += kQuotation;
    } else if (quoted) {
      continue;
    } else if (c == '(') {
      ++comments;
      out += ' ';
    } else {
      out += c;
    }
  }
  if (quoted || comments > 0) return std::nullopt;
  return out;
}

bool IsPhrase(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return IsAtomText(c) || c == '.' || c == kQuotation || kBlanks.find(c) != std::string::npos;
  });
}

}  // namespace

std::optional<std::string> StrictSingleAddress(std::string_view value) {
  const std::optional<std::string> plain = WithoutQuotedText(value);
  if (!plain) return std::nullopt;
  std::string_view text = TrimBlanks(*plain);
  std::string_view phrase;
  if (text.ends_with('>')) {
    const size_t open = text.find('<');
    if (open == std::string_view::npos) return std::nullopt;
    phrase = TrimBlanks(text.substr(0, open));
    text = TrimBlanks(text.substr(open + 1, text.size() - open - 2));
  }
  if (!IsAddress(text)) return std::nullopt;
  if (!IsPhrase(phrase) && !EqualsIgnoreCase(phrase, text)) return std::nullopt;
  return std::string(text);
}

}  // namespace dmarcate
