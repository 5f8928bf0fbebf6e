// Report addresses: the URI lists of rua and ruf.

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/syntax_error.h"
#include "lib/mailauth/uri.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxUris = 100;  // a record of 64 KiB could name thousands; nobody sends to them

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

absl::StatusOr<DmarcUri> ParseReportUri(std::string_view text, DmarcStandard standard) {
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
  DMARCATE_ASSIGN_OR_RETURN(Uri parsed, ParseUri(plain));
  uri.uri = std::move(parsed.text);
  uri.scheme = std::move(parsed.scheme);
  uri.mailbox = std::move(parsed.mailbox);
  uri.host = std::move(parsed.host);
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
    DMARCATE_ASSIGN_OR_RETURN(DmarcUri uri, ParseReportUri(TrimBlanks(item), standard));
    uris.push_back(std::move(uri));
  }
  return uris;
}

}  // namespace dmarcate
