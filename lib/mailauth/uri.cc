#include "lib/mailauth/uri.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

#include "fmt/format.h"

#include "lib/base/ip_address.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr std::string_view kBracket =
    "'[' and ']' stand around an IPv6 address alone, else they must be percent-encoded";

// Unreserved and reserved characters of RFC 3986, but for ',' and ';'.
bool IsUriChar(char c) {
  return IsAlpha(c) || IsDigit(c) ||
         std::string_view("-._~:/?#[]@!$&'()*+=%").find(c) != std::string_view::npos;
}

std::string PercentDecode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      out += FromHex(text.substr(i + 1, 2));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

absl::Status NoUri(std::string_view uri, std::string_view why) {
  return MakeError(absl::StatusCode::kInvalidArgument,
                   fmt::format("{} is no URI: {}", Quoted(uri), why));
}

absl::Status CheckUri(std::string_view uri) {
  const auto bad = [uri](std::string_view why) { return NoUri(uri, why); };
  const size_t colon = uri.find(':');
  if (colon == std::string_view::npos || colon == 0 || !IsAlpha(uri[0])) {
    return bad("it has no scheme, such as mailto:");
  }
  for (const char c : uri.substr(0, colon)) {
    if (!IsAlpha(c) && !IsDigit(c) && c != '+' && c != '-' && c != '.') {
      return bad("it has no scheme, such as mailto:");
    }
  }
  if (colon + 1 == uri.size()) return bad("nothing follows the scheme");
  for (size_t i = 0; i < uri.size(); ++i) {
    if (!IsUriChar(uri[i])) return bad("it has a character that must be percent-encoded");
    if (uri[i] == '%' &&
        !(i + 2 < uri.size() && IsHexDigit(uri[i + 1]) && IsHexDigit(uri[i + 2]))) {
      return bad("'%' is not followed by two hex digits");
    }
  }
  if (std::ranges::count(uri, '#') > 1) return bad("it has more than one '#'");
  return absl::OkStatus();
}

// ":8443". RFC 3986 section 3.2.3 lets it be empty; TCP has no port 0.
bool IsPort(std::string_view text) {
  if (!text.starts_with(':')) return false;
  const std::string_view digits = text.substr(1);
  if (digits.empty()) return true;
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return error == std::errc() && end == digits.data() + digits.size() && port != 0;
}

// How much of `authority`, which begins with '[', is an IPv6 address in its brackets; 0 if none is.
size_t IpLiteralOctets(std::string_view authority) {
  const size_t end = authority.find(']');
  if (end == std::string_view::npos) return 0;
  const std::string_view address = authority.substr(1, end - 1);
  const bool v6 = address.find(':') != std::string_view::npos;
  return v6 && IpAddress::Parse(address).has_value() ? end + 1 : 0;
}

bool HasBracket(std::string_view text) {
  return text.find_first_of("[]") != std::string_view::npos;
}

// RFC 3986 section 3.2.
absl::Status ReadAuthority(std::string_view authority, Uri& uri) {
  std::string_view rest = authority;
  if (const size_t at = rest.rfind('@'); at != std::string_view::npos) {
    if (HasBracket(rest.substr(0, at))) return NoUri(uri.text, kBracket);
    rest.remove_prefix(at + 1);
  }
  size_t host_octets = std::min(rest.find(':'), rest.size());
  if (rest.starts_with('[')) {
    host_octets = IpLiteralOctets(rest);
    if (host_octets == 0) return NoUri(uri.text, "no IPv6 address stands between '[' and ']'");
  } else if (HasBracket(rest)) {
    return NoUri(uri.text, kBracket);
  }
  const std::string_view port = rest.substr(host_octets);
  if (!port.empty() && !IsPort(port)) return NoUri(uri.text, "no port, 1 to 65535, ends the host");
  uri.host = AsciiLower(rest.substr(0, host_octets));
  return absl::OkStatus();
}

// RFC 6068. What follows the mailbox, header fields or a fragment, is no part of it.
void ReadMailbox(std::string_view text, Uri& uri) {
  const std::string decoded = PercentDecode(text.substr(0, text.find_first_of("?#")));
  const size_t at = decoded.rfind('@');
  if (at == std::string::npos || at == 0 || at + 1 == decoded.size()) return;
  uri.mailbox = decoded;
  uri.host = AsciiLower(decoded.substr(at + 1));
}

}  // namespace

absl::StatusOr<Uri> ParseUri(std::string_view text) {
  DMARCATE_RETURN_IF_ERROR(CheckUri(text));
  Uri uri;
  uri.text = std::string(text);
  uri.scheme = AsciiLower(text.substr(0, text.find(':')));
  std::string_view rest = text.substr(uri.scheme.size() + 1);
  if (uri.scheme == "mailto") {
    ReadMailbox(rest, uri);
  } else if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
    rest.remove_prefix(authority.size());
    DMARCATE_RETURN_IF_ERROR(ReadAuthority(authority, uri));
  }
  if (HasBracket(rest)) return NoUri(text, kBracket);
  return uri;
}

}  // namespace dmarcate
