// lib/rpc/listen_config.h
// Where a daemon listens and whom it lets in; the same [listen] table in both daemons'
// configuration.

#ifndef DMARCATE_LIB_RPC_LISTEN_CONFIG_H_
#define DMARCATE_LIB_RPC_LISTEN_CONFIG_H_

#include <string>

#include "absl/status/status.h"

#include "lib/base/toml_config.h"
#include "lib/rpc/auth.h"

namespace dmarcate {

enum class TcpSecurity { kTls, kInsecureLoopback };

struct ListenConfig {
  std::string
      unix_socket;  // path; empty: none. The directory keeps strangers out: 0750 or stricter
  std::string tcp;  // "192.0.2.1:8460", "[::1]:8460"; empty: none. Port 0: any free one
  TcpSecurity tcp_security = TcpSecurity::kTls;
  std::string tls_certificate, tls_key;  // PEM files, read again when they change
  std::string token_file;                // made at the first start
  LocalSocketTrust local_trust = LocalSocketTrust::kDirectoryMode;
};

// Reads
// listen.{socket,tcp,insecure_loopback,tls_certificate,tls_key,token_file,trust_local_socket};
// `defaults` for what is absent. Wrong combinations are rejected in `file`.
ListenConfig ReadListenConfig(TomlConfig& file, const ListenConfig& defaults);

// What can be said without opening anything. kInvalidArgument.
absl::Status CheckListenConfig(const ListenConfig& config);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_RPC_LISTEN_CONFIG_H_
