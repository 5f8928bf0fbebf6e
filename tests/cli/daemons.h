// tests/cli/daemons.h
// The command line against real daemons.

#ifndef DMARCATE_TESTS_CLI_DAEMONS_H_
#define DMARCATE_TESTS_CLI_DAEMONS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "tests/ingestd/daemon.h"
#include "tests/testing/process.h"

namespace dmarcate::cli_testing {

// ingestd, and policyd if it is started. Not thread-safe; use it on the test's main thread.
class Daemons {
 public:
  // What policyd's [dns] has: nobody answers.
  static constexpr char kNoDns[] = "resolvers = [\"127.0.0.1:1\"]";

  // `more`: as that of ingest_testing::Daemon; and further keys of [reports], then further tables.
  absl::Status StartIngestd(const std::string& more = "") { return ingestd_.Start({}, more); }
  absl::Status StartPolicyd(const std::string& more = "", const std::string& dns = kNoDns);
  void KillPolicyd() { policyd_->Kill(); }
  pid_t policyd_pid() const { return policyd_->pid(); }

  // The path of "ingestd", "policyd", "dmarcate".
  static std::string Program(const std::string& name);
  // argv of `dmarcate ARGUMENTS`, with the addresses of the daemons.
  std::vector<std::string> Command(std::vector<std::string> arguments) const;
  // Runs it to its end. Failures to do so fail the test, and give exit code -1.
  testing_support::CommandResult Run(std::vector<std::string> arguments) const;

  ingest_testing::Daemon& ingestd() { return ingestd_; }
  const testing_support::TempDir& directory() const { return ingestd_.directory(); }

 private:
  ingest_testing::Daemon ingestd_;
  std::optional<testing_support::Process> policyd_;
};

}  // namespace dmarcate::cli_testing

#endif  // DMARCATE_TESTS_CLI_DAEMONS_H_
