// Hands mails to the operator's relay, over libcurl. policyd speaks to that host alone and never to
// the recipients' servers.

#ifndef DMARCATE_POLICYD_NOTIFY_MAIL_RELAY_H_
#define DMARCATE_POLICYD_NOTIFY_MAIL_RELAY_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/secret.h"

namespace dmarcate {

struct MailRelayConfig {
  std::string url;          // "smtps://relay.example:465", "smtp://relay.example:587"; empty: none
  std::string from;         // address
  std::string user;         // empty: no log-in
  std::string secret_name;  // with `user`: file with the password
  // smtp:// without TLS is for a relay on this machine; with false the session begins with STARTTLS
  // or ends.
  bool plain = false;
  std::string ca_file;  // PEM; empty: the system's
};
inline constexpr absl::Duration kMailDeadline = absl::Seconds(30);

// kInvalidArgument: no such relay, or a log-in without TLS. The message names the key of the
// configuration.
absl::Status CheckMailRelay(const MailRelayConfig& config);

// One mail in one session; all recipients or none. `password` is used with config.user only.
//   kUnavailable         no relay in reach, or it defers (4xx); nothing was taken
//   kPermissionDenied    it refuses the log-in, the sender or a recipient (5xx)
//   kFailedPrecondition  no TLS, or its certificate is not trusted
//   kUnknown             it broke off: it may have taken the mail
//   kCancelled           `stop`
absl::Status SendMail(const MailRelayConfig& config, const Secret& password,
                      const std::vector<std::string>& recipients, std::string_view mail,
                      const std::function<bool()>& stop);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_NOTIFY_MAIL_RELAY_H_
