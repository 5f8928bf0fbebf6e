// policyd/provider/exec/program.h
// Runs one program to its end: no shell, what it is told by its standard input, what it says by its
// standard output, a secret by a file descriptor; bounded in time and in what it may say.
//
// The program gets a process group of its own. When it ends, or its time is over, everything in the
// group is killed by its id, so that no child that it forked stays behind. A process that leaves
// the group (setsid) is out of reach; systemd's control group ends it with policyd. So does nothing
// else where policyd itself is killed (SIGKILL): what it ran goes on to its end.

#ifndef DMARCATE_POLICYD_PROVIDER_EXEC_PROGRAM_H_
#define DMARCATE_POLICYD_PROVIDER_EXEC_PROGRAM_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dmarcate {

// Where a program finds its secret, if it has one: it may be read to its end, and read again.
inline constexpr int kProgramSecretFd = 3;

struct ProgramRun {
  std::vector<std::string> argv;         // argv[0]: an absolute path
  std::vector<std::string> environment;  // "NAME=value"; beside PATH and LANG it has nothing else
  std::string_view input;                // its standard input, a file
  std::string_view secret;               // at kProgramSecretFd, if not empty
  absl::Duration time_limit = absl::Seconds(30);
  size_t output_limit_bytes = size_t{4} << 20;
};

struct ProgramEnd {
  enum class How : uint8_t {
    kExited,     // code: of exit()
    kSignalled,  // code: the signal
    kTimedOut,   // killed
    kFlooded,    // killed: it said more than it may
  };
  static constexpr size_t kErrorLimitBytes = 16 << 10;

  How how = How::kExited;
  int code = 0;
  std::string output;          // standard output
  std::string error;           // the beginning of standard error
  bool error_was_cut = false;  // it said more there
};
// "exit status 3", "killed after 30 s", ...: for errors.
std::string DescribeEnd(const ProgramEnd& end, const ProgramRun& run);

// An absolute path to a regular file that may be run, that is root's or this user's, and that
// nobody else may change or put another in the place of: neither the file nor a directory on the
// way to it, nor on the way to where links lead.
//   kFailedPrecondition  it is not; the message says what
absl::Status CheckProgram(const std::string& path);

// Thread-safe. Whatever became of the program is no error; that it could not be started is one:
//   kFailedPrecondition  CheckProgram, or the system refuses to run it
//   kUnavailable         out of processes, memory or descriptors
absl::StatusOr<ProgramEnd> RunProgram(const ProgramRun& run);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_EXEC_PROGRAM_H_
