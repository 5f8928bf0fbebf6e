// ingestd/intake/smtp/config.h
// The tables [smtp] and [lmtp] of ingestd's configuration.

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_CONFIG_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "ingestd/intake/smtp/protocol/pace.h"
#include "ingestd/intake/smtp/protocol/recipients.h"
#include "ingestd/intake/smtp/protocol/sender_budgets.h"
#include "ingestd/intake/smtp/protocol/session.h"
#include "lib/base/ip_address.h"
#include "lib/base/toml_config.h"

namespace dmarcate {

struct TcpEndpoint {
  IpAddress address;
  uint16_t port = 0;  // 0: any free one
};

// One of the two protocols. Nothing listens where `tcp` and `unix_socket` are empty.
struct MailListenerConfig {
  std::vector<TcpEndpoint> tcp;
  std::string unix_socket;  // LMTP only; its mode is 0660
  ConfiguredRecipients recipients;
  SmtpLimits limits;
  SmtpTimeLimits times;
  int connections = 500;
  int connections_per_address = 20;  // IPv6: per /64
  bool listens() const { return !tcp.empty() || !unix_socket.empty(); }
};

struct SmtpConfig {
  std::string hostname;          // how both call themselves
  std::string certificate, key;  // PEM files, read again when they change; empty: no STARTTLS
  MailListenerConfig smtp, lmtp;
  std::string
      snapshot_file;  // snapshot.file: where report addresses come from; empty: there are none
  SenderBudgetLimits budgets;  // of SMTP
  // How often time limits and the certificate's files are looked at.
  absl::Duration watch_interval = absl::Seconds(1);
};

// What is wrong is rejected in `file`.
SmtpConfig ReadSmtpConfig(TomlConfig& file, int64_t message_bytes);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_CONFIG_H_
