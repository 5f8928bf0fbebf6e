#include "lib/snapshot/report_address.h"

#include <algorithm>
#include <cstdint>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/host_name.h"

namespace dmarcate {
namespace {

constexpr std::string_view kPrefix = "r-";
// Crockford's: without i, l, o and u, which people misread.
constexpr std::string_view kDigits = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr size_t kDigitCount = kReportAddressSeedBytes * 8 / 5;
constexpr size_t kAddressLimitBytes = 254;
constexpr size_t kHostLimitBytes = kAddressLimitBytes - kPrefix.size() - kDigitCount - 1;

}  // namespace

bool IsReportLocalPart(std::string_view local_part) {
  return local_part.size() == kPrefix.size() + kDigitCount && local_part.starts_with(kPrefix) &&
         local_part.find_first_not_of(kDigits, kPrefix.size()) == std::string_view::npos;
}

std::string MakeReportAddress(const DomainName& host, std::string_view seed) {
  std::string out(kPrefix);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : seed.substr(0, kReportAddressSeedBytes)) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 5) {
      count -= 5;
      out += kDigits[bits >> count & 31];
    }
  }
  return fmt::format("{}@{}", out, host.text());
}

absl::StatusOr<DomainName> ParseReportHost(std::string_view text) {
  const auto refuse = [text](std::string_view why) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("'{}': {}", EscapeForTerminal(text), why));
  };
  absl::StatusOr<DomainName> host = DomainName::Parse(text);
  if (!host.ok()) return refuse(MessageOf(host.status()));
  if (host->label_count() < 2 || !IsHostName(*host)) {
    return refuse("want a host name of two labels or more, \"reports.example.net\"");
  }
  if (host->text().size() > kHostLimitBytes) {
    return refuse(fmt::format("longer than {} octets", kHostLimitBytes));
  }
  return host;
}

}  // namespace dmarcate
