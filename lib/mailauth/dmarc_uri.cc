// Report addresses: the URI lists of rua and ruf.

#include <algorithm>
#include <charconv>
#include <limits>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxUris = 100;  // a record of 64 KiB could name thousands; nobody sends to them

// Unreserved and reserved characters of RFC 3986, but for ',', ';' and '!', which the list needs.
bool IsUriChar(char c) {
  return IsAlpha(c) || IsDigit(c) ||
         std::string_view("-._~:/?#[]@$&'()*+=%").find(c) != std::string_view::npos;
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

// "10m": digits, then k, m, g, t or nothing. RFC 7489 counts octets in 64 bits.
bool IsSizeSuffix(std::string_view suffix, DmarcStandard standard) {
  int shift = 0;
  if (!suffix.empty() && !IsDigit(suffix.back())) {
    const size_t unit = std::string_view("kmgt").find(AsciiLower(suffix.back()));
    if (unit == std::string_view::npos) return false;
    shift = 10 * (static_cast<int>(unit) + 1);
    suffix.remove_suffix(1);
  }
  if (suffix.empty() || !std::ranges::all_of(suffix, IsDigit)) return false;
  if (standard == DmarcStandard::kRfc9989) return true;
  uint64_t octets = 0;
  const auto [end, error] = std::from_chars(suffix.data(), suffix.data() + suffix.size(), octets);
  return error == std::errc() && octets <= (std::numeric_limits<uint64_t>::max() >> shift);
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

void FillHost(DmarcUri& uri) {
  std::string_view rest = std::string_view(uri.uri).substr(uri.scheme.size() + 1);
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

absl::StatusOr<DmarcUri> ParseUri(std::string_view text, DmarcStandard standard) {
  DmarcUri uri;
  uri.text = std::string(text);
  std::string_view plain = text;
  if (const size_t mark = text.find('!'); mark != std::string_view::npos) {
    const std::string_view suffix = text.substr(mark + 1);
    if (!IsSizeSuffix(suffix, standard)) {
      return MakeError(absl::StatusCode::kInvalidArgument,
                       fmt::format("{}: {} is no size", Quoted(text), Quoted(suffix)));
    }
    uri.size_suffix = std::string(suffix);
    plain = text.substr(0, mark);
  }
  DMARCATE_RETURN_IF_ERROR(CheckUri(plain));
  uri.uri = std::string(plain);
  uri.scheme = AsciiLower(plain.substr(0, plain.find(':')));
  FillHost(uri);
  return uri;
}

}  // namespace

absl::StatusOr<std::vector<DmarcUri>> ParseDmarcUris(std::string_view value,
                                                     DmarcStandard standard) {
  std::vector<DmarcUri> uris;
  for (const std::string_view item : Split(value, ',')) {
    if (uris.size() == kMaxUris) {
      return MakeError(absl::StatusCode::kInvalidArgument,
                       fmt::format("more than {} report addresses", kMaxUris));
    }
    DMARCATE_ASSIGN_OR_RETURN(DmarcUri uri, ParseUri(TrimBlanks(item), standard));
    uris.push_back(std::move(uri));
  }
  return uris;
}

}  // namespace dmarcate
