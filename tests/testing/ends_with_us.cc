#include "tests/testing/ends_with_us.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

extern "C" {  // glibc 2.36 forgets to say so
#include <sys/pidfd.h>
}

namespace dmarcate::testing_support {
namespace {

constexpr int kGraceMs = 5000;

// After fork, in a program that may have many threads: async-signal-safe calls only.
[[noreturn]] void WaitForTheEnd(int pipe, int program) {
  setsid();  // a terminal's SIGINT is for the others
  // Whatever else was open here must not stay open because of us: first of all our end of the pipe.
  if (dup2(pipe, 0) < 0 || dup2(program, 1) < 0) _exit(1);
  close_range(2, ~0U, 0);
  char none = 0;
  while (read(0, &none, 1) < 0 && errno == EINTR) {
  }
  pidfd_send_signal(1, SIGTERM, nullptr, 0);
  pollfd ended = {.fd = 1, .events = POLLIN, .revents = 0};
  if (poll(&ended, 1, kGraceMs) == 0) pidfd_send_signal(1, SIGKILL, nullptr, 0);
  _exit(0);
}

}  // namespace

absl::StatusOr<EndsWithUs> EndsWithUs::Watch(pid_t pid) {
  // Not its number, which another program may have by then.
  const UniqueFd program(pidfd_open(pid, 0));
  if (!program.valid()) return ErrnoError(errno, "pidfd_open");
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe2");
  const UniqueFd theirs(ends[0]);
  UniqueFd ours(ends[1]);
  const pid_t watcher = fork();
  if (watcher < 0) return ErrnoError(errno, "fork");
  if (watcher == 0) WaitForTheEnd(theirs.get(), program.get());
  return EndsWithUs(watcher, std::move(ours));
}

EndsWithUs::EndsWithUs(EndsWithUs&& other) noexcept
    : watcher_(std::exchange(other.watcher_, -1)), ours_(std::move(other.ours_)) {}

EndsWithUs::~EndsWithUs() {
  if (watcher_ < 0) return;
  kill(watcher_, SIGKILL);
  while (waitpid(watcher_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace dmarcate::testing_support
