#include "lib/mail/header_value.h"

#include <algorithm>
#include <string_view>

#include "lib/mail/gmime_value.h"
#include "lib/mail/plain_value.h"

namespace dmarcate {
namespace {

// Without quoted strings and comments (RFC 5322 section 3.2); an unclosed one takes the rest.
std::string WithoutQuotedText(std::string_view value) {
  std::string out;
  bool quoted = false;
  int comments = 0;
  for (size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\\') {
      ++i;  // with what it escapes
    } else if (comments > 0) {
      comments += c == '(' ? 1 : c == ')' ? -1 : 0;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (quoted) {
      continue;
    } else if (c == '(') {
      ++comments;
    } else {
      out += c;
    }
  }
  return out;
}

// GMime makes the best of anything; "a@example.com@example.net" and "<a@example.com> <b@...>" are
// for nobody to guess. A name in front of the angle brackets may hold an @: many do.
bool MayBeSingleAddress(std::string_view value) {
  const std::string text = WithoutQuotedText(value);
  if (std::ranges::count(text, '<') > 1) return false;
  const size_t open = text.find('<');
  const size_t begin = open == std::string::npos ? 0 : open;
  return std::count(text.begin() + static_cast<std::ptrdiff_t>(begin), text.end(), '@') == 1;
}

}  // namespace

ContentType ParseContentType(const std::string& value) {
  if (auto plain = PlainContentType(value)) return *std::move(plain);
  return GmimeParseContentType(value);
}

std::string ParseDispositionFileName(const std::string& value) {
  if (auto plain = PlainDispositionFileName(value)) return *std::move(plain);
  return GmimeParseDispositionFileName(value);
}

std::string DecodeHeaderText(const std::string& value) {
  if (auto plain = PlainHeaderText(value)) return *std::move(plain);
  return GmimeDecodeHeaderText(value);
}

std::string FirstAddressDomain(const std::string& value) {
  if (auto plain = PlainAddressDomain(value)) return *std::move(plain);
  return GmimeFirstAddressDomain(value);
}

std::optional<std::string> SingleAddress(const std::string& value) {
  if (!MayBeSingleAddress(value)) return std::nullopt;
  return GmimeSingleAddress(value);
}

std::optional<absl::Time> ParseMailDate(const std::string& value) {
  return GmimeParseMailDate(value);
}

}  // namespace dmarcate
