#include "lib/rpc/start_check.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "fmt/format.h"

#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/auth.h"
#include "lib/rpc/server.h"

namespace dmarcate {
namespace {

std::string Told(std::string_view key, const absl::Status& status) {
  std::string out = fmt::format("{}: {}", key, MessageOf(status));
  // Root and the daemon's user may do what an administrator may not, and the other way round.
  if (absl::IsPermissionDenied(status)) out += fmt::format(" (for user {})", geteuid());
  return out;
}

}  // namespace

absl::Status CheckAccess(const std::string& path, int mode) {
  return access(path.c_str(), mode) == 0 ? absl::OkStatus() : ErrnoError(errno, path);
}

absl::Status CheckDirectory(const std::string& path, int mode) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return ErrnoError(errno, path);
  if (!S_ISDIR(info.st_mode)) {
    return MakeError(absl::StatusCode::kInvalidArgument, path + ": not a directory");
  }
  return CheckAccess(path, mode);
}

void StartCheck::Require(std::string_view key, const absl::Status& status) {
  if (!status.ok()) errors_.push_back(Told(key, status));
}

void StartCheck::Expect(std::string_view key, const absl::Status& status) {
  if (!status.ok()) notes_.push_back(Told(key, status));
}

void StartCheck::RequireListen(const ListenConfig& config) {
  if (!config.unix_socket.empty()) {
    const absl::Status directory = CheckSocketDirectory(config);
    if (!absl::IsNotFound(directory)) Require("listen.socket", directory);  // else it is made
  }
  if (!config.tcp.empty() && config.tcp_security == TcpSecurity::kTls) {
    Require("listen.tls_certificate", CheckAccess(config.tls_certificate, R_OK));
    Require("listen.tls_key", CheckAccess(config.tls_key, R_OK));
    if (errors_.empty()) Require("listen.tls_key", CheckTlsKeyMode(config));
  }
  const absl::Status token = ReadToken(config.token_file).status();
  if (absl::IsNotFound(token)) {
    RequireOwnDirectory("listen.token_file",
                        std::filesystem::path(config.token_file).parent_path());
  } else {
    Require("listen.token_file", token);
  }
}

void StartCheck::RequireOwnDirectory(std::string_view key, const std::string& path) {
  const absl::Status there = CheckDirectory(path, R_OK | W_OK | X_OK);
  if (!absl::IsNotFound(there)) return Require(key, there);
  std::filesystem::path above = path;
  do {
    above = above.parent_path();
  } while (above.has_relative_path() && access(above.c_str(), F_OK) != 0);
  // Who installs makes it with other rights than those of the daemon.
  const absl::Status makes = CheckDirectory(above, W_OK | X_OK);
  Expect(key, makes.ok()
                  ? absl::OkStatus()
                  : Annotate(makes, fmt::format("{} is not there and cannot be made", path)));
}

}  // namespace dmarcate
