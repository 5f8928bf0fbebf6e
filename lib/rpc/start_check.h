// lib/rpc/start_check.h
// What `--check` says beyond the configuration file: whether the files and directories that it
// names are there and usable, by the same rules as the start. It changes nothing; what the first
// start makes may be missing.

#ifndef DMARCATE_LIB_RPC_START_CHECK_H_
#define DMARCATE_LIB_RPC_START_CHECK_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "lib/rpc/listen_config.h"

namespace dmarcate {

// Not thread-safe.
class StartCheck {
 public:
  // What is not OK would keep the daemon from starting: told as "KEY: what".
  void Require(std::string_view key, const absl::Status& status);
  // The daemon would start, and this would not work.
  void Expect(std::string_view key, const absl::Status& status);

  // listen.*: the socket's directory, the TLS files, the token.
  void RequireListen(const ListenConfig& config);
  // A directory that a start makes if it is missing.
  void RequireOwnDirectory(std::string_view key, const std::string& path);

  const std::vector<std::string>& errors() const { return errors_; }
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  std::vector<std::string> errors_, notes_;
};

// Whether this user may do `mode` (R_OK, ...) to what is at `path`; errors as of ErrnoError().
absl::Status CheckAccess(const std::string& path, int mode);
// kInvalidArgument if it is none.
absl::Status CheckDirectory(const std::string& path, int mode);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_RPC_START_CHECK_H_
