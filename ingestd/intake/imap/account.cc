#include "ingestd/intake/imap/account.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "fmt/format.h"

#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr size_t kSecretLimitBytes = 16 << 10;
constexpr int kSliceMillis = 20;

absl::StatusOr<Secret> CheckSecret(std::string text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  Secret out(std::move(text));
  if (out.empty()) return MakeError(absl::StatusCode::kInvalidArgument, "it is empty");
  if (std::ranges::any_of(out.Reveal(), [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "want one line without control characters");
  }
  return out;
}

// A program with its children; killed and reaped at the latest when this goes.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ < 0) return;
    kill(-pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  // Whether it has ended, and how.
  bool Ended(int* status) {
    if (waitpid(pid_, status, WNOHANG) != pid_) return false;
    kill(-pid_, SIGKILL);  // what it left running
    pid_ = -1;
    return true;
  }

 private:
  pid_t pid_;
};

absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& command, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, 1);
  // It may print the token, or the secret behind it.
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return ErrnoError(error, command[0]);
  return pid;
}

absl::StatusOr<Secret> RunTokenCommand(const std::vector<std::string>& command,
                                       const std::function<bool()>& give_up,
                                       absl::Duration timeout) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe");
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  DMARCATE_ASSIGN_OR_RETURN(const pid_t pid, Spawn(command, write_end.get()));
  Child child(pid);
  write_end.Reset();
  const auto deadline = SteadyClock::now() + absl::ToChronoMilliseconds(timeout);
  std::string output;
  int status = 0;
  bool open = true;
  while (true) {
    // Its children may keep the pipe open; what counts is that it has ended itself.
    const bool ended = child.Ended(&status);
    const auto slice_end = SteadyClock::now() + std::chrono::milliseconds(kSliceMillis);
    pollfd waiting{read_end.get(), POLLIN, 0};
    // However slowly it trickles.
    while (open && poll(&waiting, 1, ended ? 0 : kSliceMillis) > 0) {
      char buffer[4096];
      const ssize_t got = read(read_end.get(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        open = false;
        break;
      }
      output.append(buffer, static_cast<size_t>(got));
      if (output.size() > kSecretLimitBytes) {
        return MakeError(absl::StatusCode::kInvalidArgument,
                         fmt::format("it prints over {} bytes", kSecretLimitBytes));
      }
      if (!ended && SteadyClock::now() >= slice_end) break;
    }
    if (ended) break;
    if (give_up()) return MakeError(absl::StatusCode::kCancelled, "told to give up");
    if (SteadyClock::now() >= deadline) {
      return MakeError(absl::StatusCode::kDeadlineExceeded,
                       fmt::format("no end after {}", absl::FormatDuration(timeout)));
    }
    if (!open) poll(nullptr, 0, kSliceMillis);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     WIFEXITED(status) ? fmt::format("exit code {}", WEXITSTATUS(status))
                                       : fmt::format("signal {}", WTERMSIG(status)));
  }
  return CheckSecret(std::move(output));
}

}  // namespace

absl::Status CheckPasswordFile(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return ErrnoError(errno, path);
  if ((info.st_mode & 0077) == 0) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      fmt::format("{}: mode {:04o} lets others in; want 0600", path, info.st_mode & 07777));
}

absl::StatusOr<Secret> ReadImapSecret(const ImapAccount& account,
                                      const std::function<bool()>& give_up,
                                      absl::Duration timeout) {
  if (!account.token_command.empty()) {
    auto token = RunTokenCommand(account.token_command, give_up, timeout);
    if (!token.ok()) return Annotate(token.status(), "token_command");
    return token;
  }
  DMARCATE_ASSIGN_OR_RETURN(std::string text, ReadFile(account.password_file, kSecretLimitBytes));
  auto password = CheckSecret(std::move(text));
  if (!password.ok()) return Annotate(password.status(), account.password_file);
  return password;
}

}  // namespace dmarcate
