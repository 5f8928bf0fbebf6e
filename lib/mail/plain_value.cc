#include "lib/mail/plain_value.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "lib/base/text.h"

namespace dmarcate {
namespace {

bool IsPrintable(char c) { return c >= ' ' && c <= '~'; }
bool IsAlnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool IsOneOf(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }
// A part of RFC 2045's token: '*', '%' and '\'' are left to the reader that knows RFC 2231.
bool IsTokenChar(char c) { return IsAlnum(c) || IsOneOf(c, "!#$&+-._^`{|}~"); }
// A part of RFC 5322's atext that needs no second thought.
bool IsAtomChar(char c) { return IsAlnum(c) || IsOneOf(c, "-_+=!#$&"); }

std::string_view TakeWhile(std::string_view* text, bool (*is)(char)) {
  size_t n = 0;
  while (n < text->size() && is((*text)[n])) ++n;
  const std::string_view taken = text->substr(0, n);
  text->remove_prefix(n);
  return taken;
}

void SkipBlanks(std::string_view* text) {
  text->remove_prefix(std::min(text->find_first_not_of(" \t"), text->size()));
}

bool Take(std::string_view* text, char c) {
  if (!text->starts_with(c)) return false;
  text->remove_prefix(1);
  return true;
}

using Parameters = std::vector<std::pair<std::string, std::string_view>>;  // name in lower case

// A quoted string without escapes, its quotes taken.
std::optional<std::string_view> TakeQuoted(std::string_view* text) {
  if (!Take(text, '"')) return std::nullopt;
  const size_t end = text->find('"');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view inside = text->substr(0, end);
  text->remove_prefix(end + 1);
  // Blanks at the ends and encoded words are where readers differ.
  if (inside.empty() || inside != TrimAscii(inside)) return std::nullopt;
  if (inside.find('\\') != std::string_view::npos) return std::nullopt;
  if (inside.find("=?") != std::string_view::npos) return std::nullopt;
  if (!std::ranges::all_of(inside, IsPrintable)) return std::nullopt;
  return inside;
}

// What follows the first word of a Content-Type or a Content-Disposition, to its end.
std::optional<Parameters> TakeParameters(std::string_view text) {
  Parameters out;
  while (true) {
    SkipBlanks(&text);
    if (text.empty()) return out;
    if (!Take(&text, ';')) return std::nullopt;
    SkipBlanks(&text);
    if (text.empty()) return out;
    std::string name = AsciiLower(TakeWhile(&text, IsTokenChar));
    if (name.empty() || !Take(&text, '=')) return std::nullopt;
    std::string_view value = TakeWhile(&text, IsTokenChar);
    if (value.empty()) {
      const auto quoted = TakeQuoted(&text);
      if (!quoted) return std::nullopt;
      value = *quoted;
    }
    for (const auto& [seen, unused] : out) {
      if (seen == name) return std::nullopt;
    }
    out.emplace_back(std::move(name), value);
  }
}

std::string_view Find(const Parameters& parameters, std::string_view name) {
  for (const auto& [seen, value] : parameters) {
    if (seen == name) return value;
  }
  return {};
}

// "local@domain" and nothing else.
std::optional<std::string> DomainOfAddress(std::string_view address) {
  const size_t at = address.find('@');
  if (at == std::string_view::npos || at == 0 || at > 64) return std::nullopt;
  const std::string_view local = address.substr(0, at);
  const std::string_view domain = address.substr(at + 1);
  const auto is_atoms = [](std::string_view text) {
    return !text.empty() && text.front() != '.' && text.back() != '.' &&
           text.find("..") == std::string_view::npos &&
           std::ranges::all_of(text, [](char c) { return c == '.' || IsAtomChar(c); });
  };
  if (!is_atoms(local) || !is_atoms(domain) || domain.size() > 255) return std::nullopt;
  std::string lower = AsciiLower(domain);
  if (lower.find("xn--") != std::string::npos) return std::nullopt;  // GMime looks into A-labels
  return lower;
}

}  // namespace

std::optional<ContentType> PlainContentType(std::string_view value) {
  const std::string_view type = TakeWhile(&value, IsTokenChar);
  if (type.empty() || !Take(&value, '/')) return std::nullopt;
  const std::string_view subtype = TakeWhile(&value, IsTokenChar);
  if (subtype.empty()) return std::nullopt;
  const auto parameters = TakeParameters(value);
  if (!parameters) return std::nullopt;
  const std::string_view name = Find(*parameters, "name");
  if (name.size() > kMaxFileNameBytes) return std::nullopt;
  return ContentType{
      .type = AsciiLower(type) + "/" + AsciiLower(subtype),
      .boundary = std::string(Find(*parameters, "boundary")),
      .report_type = AsciiLower(Find(*parameters, "report-type")),
      .name = std::string(name),
  };
}

std::optional<std::string> PlainDispositionFileName(std::string_view value) {
  if (TakeWhile(&value, IsTokenChar).empty()) return std::nullopt;
  const auto parameters = TakeParameters(value);
  if (!parameters) return std::nullopt;
  const std::string_view name = Find(*parameters, "filename");
  if (name.size() > kMaxFileNameBytes) return std::nullopt;
  return std::string(name);
}

std::optional<std::string> PlainHeaderText(std::string_view value) {
  if (value.find("=?") != std::string_view::npos || !std::ranges::all_of(value, IsPrintable)) {
    return std::nullopt;
  }
  return std::string(value);
}

std::optional<std::string> PlainAddressDomain(std::string_view value) {
  if (!value.ends_with('>')) return DomainOfAddress(value);
  const size_t open = value.find('<');
  if (open == std::string_view::npos) return std::nullopt;
  std::string_view name = TrimAscii(value.substr(0, open));
  if (name.starts_with('"')) {
    if (!TakeQuoted(&name) || !name.empty()) return std::nullopt;
  } else if (!std::ranges::all_of(name, [](char c) { return c == ' ' || IsAtomChar(c); })) {
    return std::nullopt;
  }
  return DomainOfAddress(value.substr(open + 1, value.size() - open - 2));
}

}  // namespace dmarcate
