#include "policyd/alert/webhook_url.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {
namespace {

constexpr std::string_view kScheme = "https://";

absl::Status Bad(std::string_view why) {
  return MakeError(absl::StatusCode::kInvalidArgument, fmt::format("webhook url: {}", why));
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// A last label that is a number makes the whole an address in the eyes of some readers (WHATWG URL,
// "ends in a number"): "127.1", "0x7f.1".
bool LooksNumeric(std::string_view label) {
  if (std::ranges::all_of(label, IsDigit)) return true;
  return StartsWithIgnoreCase(label, "0x");
}

absl::Status CheckName(std::string_view host) {
  const std::vector<std::string_view> labels = Split(host, '.');
  if (labels.size() < 2) return Bad("the host is no full name");
  for (const std::string_view label : labels) {
    const bool plain = !label.empty() && std::ranges::all_of(label, [](char c) {
      return IsDigit(c) || IsLetter(c) || c == '-';
    });
    if (!plain || label.front() == '-' || label.back() == '-') {
      return Bad("the host is neither a name of letters, digits and hyphens nor an address");
    }
  }
  if (LooksNumeric(labels.back())) return Bad("the host is an address in an unusual form");
  if (!DomainName::Parse(host).ok()) return Bad("the host is no name");
  return absl::OkStatus();
}

absl::StatusOr<uint16_t> ReadPort(std::string_view text) {
  uint32_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool plain = !text.empty() && text.front() != '0' && std::ranges::all_of(text, IsDigit);
  if (!plain || error != std::errc() || end != text.data() + text.size() || port > 65535) {
    return Bad("the port is no number from 1 to 65535");
  }
  return static_cast<uint16_t>(port);
}

}  // namespace

absl::StatusOr<WebhookUrl> ParseWebhookUrl(std::string_view text) {
  if (text.size() > kMaxWebhookUrlBytes) return Bad("longer than 2000 octets");
  if (!text.starts_with(kScheme)) return Bad("want https://");
  for (const char c : text) {
    if (c <= ' ' || c >= 0x7f || c == '\\' || c == '#' || c == '"' || c == '<' || c == '>' ||
        c == '^' || c == '`' || c == '{' || c == '|' || c == '}') {
      return Bad("an octet that has to be escaped");
    }
  }
  const std::string_view rest = text.substr(kScheme.size());
  const size_t end = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, end);
  if (authority.find('@') != std::string_view::npos) return Bad("a user or password in it");
  if (authority.find('%') != std::string_view::npos) return Bad("an escaped host");

  WebhookUrl out;
  std::string_view port;
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return Bad("a bracket is not closed");
    const std::string_view inside = authority.substr(1, close - 1);
    out.literal = IpAddress::Parse(inside);
    // IPv4 stands without brackets; mapped into IPv6 it is read as the IPv4 address that it is.
    if (!out.literal || inside.find(':') == std::string_view::npos) {
      return Bad("no IPv6 address in the brackets");
    }
    port = authority.substr(close + 1);
    if (!port.empty() && !port.starts_with(':')) return Bad("something after the bracket");
    out.host = AsciiLower(inside);
  } else {
    const size_t colon = authority.find(':');
    const std::string_view host = authority.substr(0, colon);
    if (colon != std::string_view::npos) port = authority.substr(colon);
    out.literal = IpAddress::Parse(host);
    if (!out.literal) DMARCATE_RETURN_IF_ERROR(CheckName(host));
    out.host = AsciiLower(host);
  }
  if (!port.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(out.port, ReadPort(port.substr(1)));
  }
  out.url = std::string(text);
  return out;
}

}  // namespace dmarcate
