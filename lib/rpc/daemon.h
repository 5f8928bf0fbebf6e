// lib/rpc/daemon.h
// What every daemon's main() does: read the command line, read the configuration, say whether it is
// right if that is all that was asked, and run.

#ifndef DMARCATE_LIB_RPC_DAEMON_H_
#define DMARCATE_LIB_RPC_DAEMON_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/base/log.h"
#include "lib/rpc/start_check.h"

namespace dmarcate {

class TomlConfig;

struct LogConfig {
  LogFormat format = LogFormat::kLogfmt;
  LogLevel level = LogLevel::kInfo;
};
// log.format, log.level
LogConfig ReadLogConfig(TomlConfig& file);

struct DaemonProgram {
  std::string name;         // "ingestd"
  std::string purpose;      // one sentence for --help
  std::string config_file;  // where it is without --config
  // Reads the configuration, which the program keeps, and the files that it names and that --check
  // can judge.
  std::function<absl::StatusOr<LogConfig>(const std::string& path)> load;
  // After load(), for --check: what a start needs beside the file.
  std::function<StartCheck()> check;
  // Until SIGTERM or SIGINT, which are blocked from before load() on.
  std::function<absl::Status()> run;
};

// The exit code: 0 done, or right with --check; 1 failed, told on standard error; 2 a wrong command
// line.
int RunDaemon(int argc, char** argv, const DaemonProgram& program);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_RPC_DAEMON_H_
