// The URL of a webhook. Only forms that have one reading are taken: what two parsers read in two
// ways sends a request elsewhere than was checked. Pure.

#ifndef DMARCATE_POLICYD_ALERT_WEBHOOK_URL_H_
#define DMARCATE_POLICYD_ALERT_WEBHOOK_URL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "lib/base/ip_address.h"

namespace dmarcate {

inline constexpr size_t kMaxWebhookUrlBytes = 2'000;

struct WebhookUrl {
  std::string url;                   // as it is sent
  std::string host;                  // lower case; a name, or an address without brackets
  std::optional<IpAddress> literal;  // the host is an address
  uint16_t port = 443;
};

// "https://HOST[:PORT][/PATH][?QUERY]". HOST is a name of letters, digits and hyphens with at least
// two labels, the last one no number; or an IPv4 address in four decimal parts; or an IPv6 address
// in brackets.
//   kInvalidArgument  anything else: another scheme, user or password, a fragment, an escaped or
//                     numeric host, blanks, backslashes; the message never quotes the path, which
//                     may be a secret
absl::StatusOr<WebhookUrl> ParseWebhookUrl(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ALERT_WEBHOOK_URL_H_
