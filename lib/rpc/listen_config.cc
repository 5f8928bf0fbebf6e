#include "lib/rpc/listen_config.h"

#include <sys/un.h>

#include <charconv>

#include "fmt/format.h"

#include "lib/base/ip_address.h"
#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

absl::Status Invalid(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, message);
}

absl::StatusOr<IpAddress> HostOf(std::string_view tcp) {
  const size_t colon = tcp.rfind(':');
  std::string_view host = tcp.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    host = "";
  }
  const auto address = IpAddress::Parse(host);
  uint16_t port = 0;
  const std::string_view digits =
      colon == std::string_view::npos ? std::string_view() : tcp.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (!address.has_value() || digits.empty() || error != std::errc() ||
      end != digits.data() + digits.size()) {
    return Invalid(fmt::format("tcp address '{}': want ADDRESS:PORT or [ADDRESS]:PORT", tcp));
  }
  return *address;
}

bool IsLoopback(const IpAddress& address) {
  return IpNetwork::Parse("127.0.0.0/8")->Contains(address) || address == *IpAddress::Parse("::1");
}

}  // namespace

absl::Status CheckListenConfig(const ListenConfig& config) {
  if (config.unix_socket.empty() && config.tcp.empty()) return Invalid("nothing to listen on");
  if (config.unix_socket.size() >= sizeof(sockaddr_un::sun_path)) {
    return Invalid(fmt::format("socket path '{}': {} bytes, limit {}", config.unix_socket,
                               config.unix_socket.size(), sizeof(sockaddr_un::sun_path) - 1));
  }
  if (!config.unix_socket.empty() && !config.unix_socket.starts_with('/')) {
    return Invalid(fmt::format("socket path '{}': want an absolute path", config.unix_socket));
  }
  if (config.token_file.empty()) return Invalid("no token_file");
  if (config.tcp.empty()) return absl::OkStatus();
  DMARCATE_ASSIGN_OR_RETURN(const IpAddress address, HostOf(config.tcp));
  if (config.tcp_security == TcpSecurity::kInsecureLoopback) {
    if (!IsLoopback(address)) {
      return Invalid(
          fmt::format("tcp address '{}': without TLS only loopback is served", config.tcp));
    }
    if (!config.tls_certificate.empty() || !config.tls_key.empty()) {
      return Invalid("insecure_loopback and tls_certificate exclude each other");
    }
  } else if (config.tls_certificate.empty() || config.tls_key.empty()) {
    return Invalid(
        fmt::format("tcp address '{}': needs tls_certificate and tls_key, or "
                    "insecure_loopback = true on a loopback address",
                    config.tcp));
  }
  return absl::OkStatus();
}

ListenConfig ReadListenConfig(TomlConfig& file, const ListenConfig& defaults) {
  ListenConfig out;
  out.unix_socket = file.String("listen.socket", defaults.unix_socket);
  out.tcp = file.String("listen.tcp", defaults.tcp);
  out.tcp_security =
      file.Bool("listen.insecure_loopback", defaults.tcp_security == TcpSecurity::kInsecureLoopback)
          ? TcpSecurity::kInsecureLoopback
          : TcpSecurity::kTls;
  out.tls_certificate = file.String("listen.tls_certificate", defaults.tls_certificate);
  out.tls_key = file.String("listen.tls_key", defaults.tls_key);
  out.token_file = file.String("listen.token_file", defaults.token_file);
  out.local_trust = file.Bool("listen.trust_local_socket",
                              defaults.local_trust == LocalSocketTrust::kDirectoryMode)
                        ? LocalSocketTrust::kDirectoryMode
                        : LocalSocketTrust::kTokenRequired;
  if (const absl::Status checked = CheckListenConfig(out); !checked.ok()) {
    file.Reject("listen", MessageOf(checked));
  }
  return out;
}

}  // namespace dmarcate
