#include "lib/mailauth/uri.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

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

absl::Status CheckUri(std::string_view uri) {
  const auto bad = [uri](std::string_view why) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("{} is no URI: {}", Quoted(uri), why));
  };
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
  return absl::OkStatus();
}

void FillHost(Uri& uri) {
  std::string_view rest = std::string_view(uri.text).substr(uri.scheme.size() + 1);
  if (uri.scheme == "mailto") {
    const std::string decoded = PercentDecode(rest.substr(0, rest.find('?')));
    const size_t at = decoded.rfind('@');
    if (at == std::string::npos || at == 0 || at + 1 == decoded.size()) return;
    uri.mailbox = decoded;
    uri.host = AsciiLower(decoded.substr(at + 1));
    return;
  }
  if (!rest.starts_with("//")) return;
  rest.remove_prefix(2);
  rest = rest.substr(0, rest.find_first_of("/?#"));
  if (const size_t at = rest.rfind('@'); at != std::string_view::npos) rest.remove_prefix(at + 1);
  uri.host = AsciiLower(rest.substr(0, rest.find(':')));
}

}  // namespace

absl::StatusOr<Uri> ParseUri(std::string_view text) {
  DMARCATE_RETURN_IF_ERROR(CheckUri(text));
  Uri uri;
  uri.text = std::string(text);
  uri.scheme = AsciiLower(text.substr(0, text.find(':')));
  FillHost(uri);
  return uri;
}

}  // namespace dmarcate
