#include "ingestd/intake/smtp/protocol/address.h"

#include <algorithm>

#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kLocalPartLimitBytes = 64;  // RFC 5321 section 4.5.3.1.1
constexpr size_t kLabelLimitBytes = 63;

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool IsPrintable(char c) { return c >= ' ' && c <= '~'; }
bool IsGraphic(char c) { return c > ' ' && c <= '~'; }

// atext of RFC 5322 section 3.2.3.
bool IsAtomText(char c) {
  return IsAlphanumeric(c) ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

bool IsHostName(std::string_view domain) {
  if (domain.empty() || domain.size() > kDomainLimitBytes) return false;
  return std::ranges::all_of(Split(domain, '.'), [](std::string_view label) {
    return !label.empty() && label.size() <= kLabelLimitBytes && label.front() != '-' &&
           label.back() != '-' && std::ranges::all_of(label, [](char c) {
             return IsAlphanumeric(c) || c == '-' || c == '_';
           });
  });
}

bool IsAddressLiteral(std::string_view domain) {
  return domain.size() > 2 && domain.size() <= kDomainLimitBytes && domain.front() == '[' &&
         domain.back() == ']' &&
         std::ranges::all_of(domain.substr(1, domain.size() - 2), [](char c) {
           return IsAlphanumeric(c) || c == '.' || c == ':' || c == '-';
         });
}

// The octets of a quoted string at the start of `text`, its quotes included; 0: it is none.
size_t QuotedLength(std::string_view text) {
  if (!text.starts_with('"')) return 0;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1;
    if (text[i] == '\\') ++i;
    if (i >= text.size() || !IsPrintable(text[i])) return 0;
  }
  return 0;
}

}  // namespace

std::optional<PathAndParameters> SplitPath(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  if (!text.starts_with('<')) return std::nullopt;
  bool quoted = false;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\' && quoted) {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '>' && !quoted) {
      const std::string_view rest = text.substr(i + 1);
      if (!rest.empty() && rest.front() != ' ') return std::nullopt;
      return PathAndParameters{text.substr(1, i - 1), TrimAscii(rest)};
    }
  }
  return std::nullopt;
}

std::optional<Mailbox> ParseMailbox(std::string_view path) {
  const size_t at = path.find('@');
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view local = path.substr(0, at), domain = path.substr(at + 1);
  if (local.empty() || local.size() > kLocalPartLimitBytes || !IsHostName(domain)) {
    return std::nullopt;
  }
  for (const std::string_view atom : Split(local, '.')) {
    if (atom.empty()) return std::nullopt;
    for (const char c : atom) {
      if (!IsAtomText(c) || c == '%' || c == '!') return std::nullopt;
    }
  }
  return Mailbox{AsciiLower(local), AsciiLower(domain)};
}

bool IsReversePath(std::string_view path) {
  if (path.empty()) return true;
  if (path.size() > kReversePathLimitBytes) return false;
  size_t at = QuotedLength(path);
  if (at == 0) {
    while (at < path.size() && (IsAtomText(path[at]) || path[at] == '.')) ++at;
  }
  if (at == 0 || at >= path.size() || path[at] != '@') return false;
  const std::string_view domain = path.substr(at + 1);
  return IsHostName(domain) || IsAddressLiteral(domain);
}

bool IsHelo(std::string_view text) {
  return !text.empty() && text.size() <= kDomainLimitBytes && std::ranges::all_of(text, IsGraphic);
}

}  // namespace dmarcate
