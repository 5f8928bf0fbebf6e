#include "policyd/provider/exec/program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <utility>

#include "lib/base/file.h"
#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kLowestOwnFd = 10;  // above all that the program gets
constexpr std::chrono::milliseconds kLook{10};
constexpr size_t kChunk = size_t{64} << 10;
constexpr absl::Duration kLeastTime = absl::Milliseconds(1);
// What it may say on standard error before it is taken for a flood; only the beginning is kept.
constexpr size_t kErrorFloodBytes = size_t{8} << 20;

struct Free {
  void operator()(char* text) const { std::free(text); }
};

absl::Status Exhausted(std::string_view what) { return ErrnoError(errno, what); }

// Out of the way of the descriptors that the program gets.
absl::StatusOr<UniqueFd> MoveUp(UniqueFd fd) {
  UniqueFd moved(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kLowestOwnFd));
  if (!moved.valid()) return Exhausted("descriptor");
  return moved;
}

// A file in memory, at its beginning: reading it never blocks, and nobody must be there to write.
absl::StatusOr<UniqueFd> MemoryFile(const char* name, std::string_view bytes) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd.valid()) return Exhausted("memory file");
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::write(fd.get(), bytes.data() + at, bytes.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Exhausted("memory file");
    at += static_cast<size_t>(n);
  }
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) return Exhausted("memory file");
  return MoveUp(std::move(fd));
}

struct Pipe {
  UniqueFd read, write;
};
absl::StatusOr<Pipe> MakePipe() {
  std::array<int, 2> ends = {-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Exhausted("pipe");
  UniqueFd read(ends[0]);
  UniqueFd write(ends[1]);
  Pipe pipe;
  DMARCATE_ASSIGN_OR_RETURN(pipe.read, MoveUp(std::move(read)));
  DMARCATE_ASSIGN_OR_RETURN(pipe.write, MoveUp(std::move(write)));
  if (::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK) != 0) return Exhausted("pipe");
  return pipe;
}

// What posix_spawn is to do in the child.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  // An errno, or 0.
  int Fill(int input, int output, int error, int secret) {
    int failed = 0;
    const auto note = [&failed](int result) { failed = failed != 0 ? failed : result; };
    note(posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO));
    note(posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO));
    note(posix_spawn_file_actions_adddup2(&actions_, error, STDERR_FILENO));
    if (secret >= 0) note(posix_spawn_file_actions_adddup2(&actions_, secret, kProgramSecretFd));
    note(posix_spawn_file_actions_addclosefrom_np(
        &actions_, secret >= 0 ? kProgramSecretFd + 1 : kProgramSecretFd));
    note(posix_spawn_file_actions_addchdir_np(&actions_, "/"));
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    note(posix_spawnattr_setsigmask(&attributes_, &none));
    note(posix_spawnattr_setsigdefault(&attributes_, &all));
    note(posix_spawnattr_setpgroup(&attributes_, 0));
    note(posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    return failed;
  }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// As C wants it; the texts must outlive it.
std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// One of its two streams.
struct Stream {
  UniqueFd fd;
  std::string bytes;
  size_t keep = 0;   // what is kept of it
  size_t limit = 0;  // more than that is a flood
  size_t seen = 0;

  // Takes what is there; false: it is a flood.
  bool Drain() {
    std::array<char, kChunk> chunk;
    while (fd.valid()) {
      const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return true;
      if (n <= 0) {
        fd.Reset();
        return true;
      }
      seen += static_cast<size_t>(n);
      bytes.append(chunk.data(), std::min(static_cast<size_t>(n), keep - bytes.size()));
      if (seen > limit) return false;
    }
    return true;
  }
};

bool HasEnded(pid_t pid) {
  siginfo_t info = {};
  // WNOWAIT: it stays a zombie, so that its id, which is its group's, is nobody else's.
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid;
}

// Everything in its group, and itself, should it have gone to another; then takes leave of it.
int KillAndReap(pid_t pid) {
  ::kill(-pid, SIGKILL);
  ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

void WaitForNews(const Stream& output, const Stream& error) {
  std::array<pollfd, 2> fds = {pollfd{output.fd.get(), POLLIN, 0},
                               pollfd{error.fd.get(), POLLIN, 0}};
  ::poll(fds.data(), fds.size(), static_cast<int>(kLook.count()));
}

ProgramEnd Attend(pid_t pid, const ProgramRun& run, Stream output, Stream error) {
  const auto end_time =
      SteadyClock::now() + absl::ToChronoNanoseconds(std::max(run.time_limit, kLeastTime));
  ProgramEnd end;
  while (true) {
    const bool flooded = !output.Drain() || !error.Drain();
    if (flooded || HasEnded(pid) || SteadyClock::now() >= end_time) {
      const bool ended = HasEnded(pid);
      const int status = KillAndReap(pid);
      // What it said last; what is left of its group is dead and says no more.
      const bool last_words = output.Drain() && error.Drain();
      if (flooded || !last_words) {
        end.how = ProgramEnd::How::kFlooded;
      } else if (!ended) {
        end.how = ProgramEnd::How::kTimedOut;
      } else if (WIFSIGNALED(status)) {
        end.how = ProgramEnd::How::kSignalled;
        end.code = WTERMSIG(status);
      } else {
        end.code = WEXITSTATUS(status);
      }
      break;
    }
    WaitForNews(output, error);
  }
  end.output = std::move(output.bytes);
  end.error_was_cut = error.seen > error.bytes.size();
  end.error = std::move(error.bytes);
  return end;
}

absl::Status Unfit(const std::string& path, std::string_view why) {
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   fmt::format("program {}: {}", EscapeForTerminal(path), why));
}

// Who may change a directory on the way may put another program there.
absl::Status CheckWayTo(const std::string& path) {
  for (size_t slash = 0; slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string directory = slash == 0 ? "/" : path.substr(0, slash);
    struct stat info = {};
    if (::stat(directory.c_str(), &info) != 0) {
      return Unfit(path, MessageOf(ErrnoError(errno, directory)));
    }
    // Where the sticky bit is set, only who owns a file may take it away.
    const bool open = (info.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (info.st_mode & S_ISVTX) == 0;
    if (open || (info.st_uid != 0 && info.st_uid != ::geteuid())) {
      return Unfit(path, fmt::format("others can change {}, and so put another program there",
                                     EscapeForTerminal(directory)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string DescribeEnd(const ProgramEnd& end, const ProgramRun& run) {
  switch (end.how) {
    case ProgramEnd::How::kExited:
      return fmt::format("exit status {}", end.code);
    case ProgramEnd::How::kSignalled:
      return fmt::format("ended by signal {}", end.code);
    case ProgramEnd::How::kTimedOut:
      return fmt::format("killed after {} s, its time limit",
                         absl::ToDoubleSeconds(run.time_limit));
    case ProgramEnd::How::kFlooded:
      return fmt::format("killed: it says more than {} octets", run.output_limit_bytes);
  }
  return "ended";
}

absl::Status CheckProgram(const std::string& path) {
  if (!path.starts_with('/')) return Unfit(path, "an absolute path is wanted");
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) return Unfit(path, MessageOf(ErrnoError(errno, "stat")));
  if (!S_ISREG(info.st_mode)) return Unfit(path, "is no regular file");
  if (info.st_uid != 0 && info.st_uid != ::geteuid()) {
    return Unfit(path, "belongs to another user; root or the user of policyd is wanted");
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Unfit(path, fmt::format("its mode {:04o} lets others change it; chmod go-w",
                                   info.st_mode & 07777));
  }
  if (::access(path.c_str(), X_OK) != 0) return Unfit(path, "may not be run");
  DMARCATE_RETURN_IF_ERROR(CheckWayTo(path));
  // The same for where links lead to.
  const std::unique_ptr<char, Free> real(::realpath(path.c_str(), nullptr));
  if (real == nullptr) return Unfit(path, MessageOf(ErrnoError(errno, "realpath")));
  return CheckWayTo(real.get());
}

absl::StatusOr<ProgramEnd> RunProgram(const ProgramRun& run) {
  if (run.argv.empty()) return Unfit("", "no path");
  const std::string& path = run.argv.front();
  DMARCATE_RETURN_IF_ERROR(CheckProgram(path));
  DMARCATE_ASSIGN_OR_RETURN(const UniqueFd input, MemoryFile("dmarcate-request", run.input));
  UniqueFd secret;
  if (!run.secret.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(secret, MemoryFile("dmarcate-secret", run.secret));
  }
  DMARCATE_ASSIGN_OR_RETURN(Pipe output, MakePipe());
  DMARCATE_ASSIGN_OR_RETURN(Pipe error, MakePipe());

  std::vector<std::string> argv = run.argv;
  std::vector<std::string> environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"};
  environment.insert(environment.end(), run.environment.begin(), run.environment.end());
  SpawnPlan plan;
  int failed = plan.Fill(input.get(), output.write.get(), error.write.get(), secret.get());
  pid_t pid = -1;
  if (failed == 0) {
    failed = ::posix_spawn(&pid, path.c_str(), plan.actions(), plan.attributes(),
                           Pointers(argv).data(), Pointers(environment).data());
  }
  if (failed == EAGAIN || failed == ENOMEM) {
    return MakeError(absl::StatusCode::kUnavailable, MessageOf(ErrnoError(failed, path)));
  }
  if (failed != 0) return Unfit(path, MessageOf(ErrnoError(failed, "cannot be run")));
  output.write.Reset();
  error.write.Reset();
  return Attend(pid, run,
                Stream{std::move(output.read), "", run.output_limit_bytes, run.output_limit_bytes},
                Stream{std::move(error.read), "", ProgramEnd::kErrorLimitBytes, kErrorFloodBytes});
}

}  // namespace dmarcate
