// tests/testing/process.h
// Programs that a test starts and stops, free ports, and waiting with a deadline.

#ifndef DMARCATE_TESTS_TESTING_PROCESS_H_
#define DMARCATE_TESTS_TESTING_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dmarcate::testing_support {

inline constexpr uid_t kNobody = 65534;  // nobody and nogroup in Debian
// Whether we are root where there is a nobody: not in the user namespace of a sandbox, which has
// one user only. Then programs run as we do.
bool MayBecomeNobody();

struct ProcessOptions {
  enum class User { kSame, kNobodyIfRoot };
  std::vector<std::string> argv;  // argv[0] without a slash is searched in PATH and the sbins
  std::vector<std::string> environment;  // "NAME=value", added to ours
  std::string working_directory;         // empty: ours
  std::string output_path;               // stdout and stderr, appended; empty: /dev/null
  User user = User::kSame;
};

// A running program. It dies with the thread that started it (PR_SET_PDEATHSIG): start it from the
// test's main thread. Not thread-safe, but for pid().
class Process {
 public:
  // kNotFound if the program is not installed.
  static absl::StatusOr<Process> Start(const ProcessOptions& options);
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process() { Stop(); }

  pid_t pid() const { return pid_; }
  bool Running();
  // The exit code, or 128 + the signal that ended it. kDeadlineExceeded if it still runs.
  absl::StatusOr<int> Wait(absl::Duration timeout);
  void Signal(int number) const;
  // SIGTERM, and SIGKILL after `grace`. Returns what Wait would. Safe to repeat.
  int Stop(absl::Duration grace = absl::Seconds(5));
  // SIGKILL, as a crash.
  int Kill() { return Stop(absl::ZeroDuration()); }

 private:
  explicit Process(pid_t pid) : pid_(pid) {}
  bool Reap(bool block);
  pid_t pid_ = -1;
  int exit_code_ = -1;  // valid once pid_ is -1
};

struct CommandResult {
  int exit_code = 0;
  std::string output;  // stdout and stderr
};
// Runs to the end and takes what it prints. kNotFound, kDeadlineExceeded (then it was killed).
absl::StatusOr<CommandResult> RunCommand(std::vector<std::string> argv,
                                         absl::Duration timeout = absl::Seconds(20),
                                         ProcessOptions options = {});

// A loopback port that is free for UDP and TCP, outside the ephemeral range, and that no other test
// gets before this process ends.
uint16_t FreePort();

// Asks `condition` every few milliseconds until it holds; false if it never did.
bool WaitUntil(const std::function<bool()>& condition, absl::Duration timeout = absl::Seconds(20));

// The path of an installed program, or empty.
std::string FindProgram(const std::string& name);

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_TESTING_PROCESS_H_
