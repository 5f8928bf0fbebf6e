#include "ingestd/intake/smtp/config.h"

#include <sys/un.h>

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {
namespace {

// "192.0.2.1:25", "[2001:db8::1]:25"
std::optional<TcpEndpoint> ParseEndpoint(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  if (brackets) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::Parse(host);
  TcpEndpoint out;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
  if (!address.has_value() || brackets == address->is_v4() || digits.empty() ||
      error != std::errc() || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  out.address = *address;
  return out;
}

absl::Duration DurationWithin(TomlConfig& file, const std::string& key, absl::Duration fallback,
                              absl::Duration least, absl::Duration most) {
  const absl::Duration out = file.Duration(key, fallback);
  if (out < least || out > most) {
    file.Reject(
        key, fmt::format("want {} to {}", absl::FormatDuration(least), absl::FormatDuration(most)));
  }
  return out;
}

MailListenerConfig ReadListener(TomlConfig& file, const std::string& table,
                                const std::vector<std::string>& default_recipients,
                                MailListenerConfig out) {
  const auto key = [&table](std::string_view name) { return fmt::format("{}.{}", table, name); };
  for (const std::string& text : file.Strings(key("listen"), {})) {
    const auto endpoint = ParseEndpoint(text);
    if (endpoint.has_value()) {
      out.tcp.push_back(*endpoint);
    } else {
      file.Reject(key("listen"), fmt::format("'{}': want ADDRESS:PORT or [ADDRESS]:PORT", text));
    }
  }
  auto recipients =
      ConfiguredRecipients::Parse(file.Strings(key("recipients"), default_recipients));
  if (recipients.ok()) {
    out.recipients = *std::move(recipients);
  } else {
    file.Reject(key("recipients"), MessageOf(recipients.status()));
  }
  out.connections =
      static_cast<int>(file.Int(key("connections"), out.connections, 1, int64_t{100'000}));
  out.times.command = DurationWithin(file, key("command_timeout"), out.times.command,
                                     absl::Seconds(10), absl::Hours(1));
  out.times.data =
      DurationWithin(file, key("data_timeout"), out.times.data, absl::Seconds(10), absl::Hours(1));
  out.times.room =
      DurationWithin(file, key("room_timeout"), out.times.room, absl::Seconds(1), absl::Minutes(5));
  return out;
}

// 0: no limit.
SenderBudgetLimits ReadBudgets(TomlConfig& file, SenderBudgetLimits out) {
  constexpr int64_t kMostMails = 100'000'000;
  for (const auto& [key, mails] : {std::pair("smtp.budget_per_address", &out.per_address),
                                   std::pair("smtp.budget_per_domain", &out.per_domain),
                                   std::pair("smtp.budget_per_recipient", &out.per_recipient),
                                   std::pair("smtp.budget_per_anchor", &out.per_anchor)}) {
    *mails = file.Int(key, *mails, 0, kMostMails);
  }
  out.senders = static_cast<size_t>(
      file.Int("smtp.budget_senders", static_cast<int64_t>(out.senders), 100, 1'000'000));
  return out;
}

}  // namespace

SmtpConfig ReadSmtpConfig(TomlConfig& file, int64_t message_bytes) {
  SmtpConfig out;
  const std::vector<std::string> smtp_recipients = file.Strings("smtp.recipients", {});
  MailListenerConfig defaults;
  defaults.limits.message_bytes = message_bytes;
  out.smtp = ReadListener(file, "smtp", {}, defaults);
  out.smtp.connections_per_address = static_cast<int>(
      file.Int("smtp.connections_per_address", defaults.connections_per_address, 1, 100'000));
  out.smtp.times.data_bytes_per_second =
      file.Bytes("smtp.slowest_data_rate", defaults.times.data_bytes_per_second);
  if (out.smtp.times.data_bytes_per_second < 1) {
    file.Reject("smtp.slowest_data_rate", "want at least 1 byte a second");
  }
  // Clients wait five minutes for a reply (RFC 5321 section 4.5.3.2).
  out.smtp.times.first_pause =
      DurationWithin(file, "smtp.refusal_delay", defaults.times.first_pause, absl::ZeroDuration(),
                     absl::Minutes(1));
  out.smtp.times.longest_pause =
      DurationWithin(file, "smtp.longest_refusal_delay", defaults.times.longest_pause,
                     absl::ZeroDuration(), absl::Minutes(1));

  out.budgets = ReadBudgets(file, out.budgets);

  // The clients are the operator's own.
  defaults.limits.errors = defaults.limits.commands = 1'000'000;
  defaults.limits.recipients = 1000;
  defaults.times.busy_command = defaults.times.command;
  defaults.connections = 100;
  out.lmtp = ReadListener(file, "lmtp", smtp_recipients, defaults);
  out.lmtp.connections_per_address = out.lmtp.connections;
  out.lmtp.times.busy_command = out.lmtp.times.command;
  out.lmtp.unix_socket = file.String("lmtp.socket", "");
  if (!out.lmtp.unix_socket.empty() &&
      (!out.lmtp.unix_socket.starts_with('/') ||
       out.lmtp.unix_socket.size() >= sizeof(sockaddr_un::sun_path))) {
    file.Reject("lmtp.socket", fmt::format("want an absolute path of at most {} bytes",
                                           sizeof(sockaddr_un::sun_path) - 1));
  }

  out.hostname = file.String("smtp.hostname", "localhost");
  if (const auto name = DomainName::Parse(out.hostname); !name.ok() || name->IsRoot()) {
    file.Reject("smtp.hostname", "want the host name that the MX record gives");
  } else {
    out.hostname = name->text();
  }
  out.certificate = file.String("smtp.certificate", "");
  out.key = file.String("smtp.key", "");
  if (out.certificate.empty() != out.key.empty()) {
    file.Reject("smtp.certificate", "certificate and key belong together");
  }
  if (out.smtp.listens() && !file.Has("smtp.hostname")) {
    file.Reject("smtp.hostname", "needed with smtp.listen: the name that the MX record gives");
  }
  out.snapshot_file = file.String("snapshot.file", "");
  if (!out.snapshot_file.empty() && !out.snapshot_file.starts_with('/')) {
    file.Reject("snapshot.file", "want an absolute path");
  }
  if (!out.snapshot_file.empty()) return out;
  if (out.smtp.listens() && smtp_recipients.empty()) {
    file.Reject("smtp.recipients",
                "needed with smtp.listen: the addresses that take reports; or snapshot.file, with "
                "those that policyd makes");
  }
  if (out.lmtp.listens() && smtp_recipients.empty() && !file.Has("lmtp.recipients")) {
    file.Reject(
        "lmtp.recipients",
        "needed: the addresses that take reports; or snapshot.file, with those that policyd "
        "makes");
  }
  return out;
}

}  // namespace dmarcate
