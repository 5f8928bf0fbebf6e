#include "tests/testing/process.h"

#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "tests/testing/temp_dir.h"

extern char** environ;

namespace dmarcate::testing_support {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& string : strings) out.push_back(string.data());
  out.push_back(nullptr);
  return out;
}

// Between fork and exec: async-signal-safe calls only. 126 tells that setting up failed.
[[noreturn]] void Child(const ProcessOptions& options, bool become_nobody, pid_t parent,
                        const char* program, char* const* argv, char* const* environment) {
  const int in = open("/dev/null", O_RDONLY);
  const int out = open(options.output_path.empty() ? "/dev/null" : options.output_path.c_str(),
                       O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) _exit(126);
  if (!options.working_directory.empty() && chdir(options.working_directory.c_str()) != 0) {
    _exit(126);
  }
  if (become_nobody && (setgroups(0, nullptr) != 0 || setresgid(kNobody, kNobody, kNobody) != 0 ||
                        setresuid(kNobody, kNobody, kNobody) != 0)) {
    _exit(126);
  }
  // After the change of user, which clears it.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(126);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(program, argv, environment);
  _exit(127);
}

bool CanBind(int type, uint16_t port) {
  const UniqueFd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return fd.valid() &&
         bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// An abstract socket's name is a lock that goes with the process. The descriptor stays open on
// purpose.
bool Reserve(uint16_t port) {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = fmt::format("dmarcate-test-port-{}", port);
  name.copy(address.sun_path + 1, sizeof address.sun_path - 1);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (fd >= 0 && bind(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0) return true;
  if (fd >= 0) close(fd);
  return false;
}

}  // namespace

bool MayBecomeNobody() {
  if (geteuid() != 0) return false;
  std::ifstream map("/proc/self/uid_map");  // lines of "first here, first outside, count"
  for (uint64_t first = 0, outside = 0, count = 0; map >> first >> outside >> count;) {
    if (kNobody >= first && kNobody - first < count) return true;
  }
  return false;
}

std::string FindProgram(const std::string& name) {
  if (name.find('/') != std::string::npos) return access(name.c_str(), X_OK) == 0 ? name : "";
  const char* const path = std::getenv("PATH");
  const std::string all =
      std::string(path != nullptr ? path : "") + ":/usr/sbin:/usr/local/sbin:/sbin";
  for (const std::string_view directory : Split(all, ':')) {
    if (directory.empty()) continue;
    std::string candidate = fmt::format("{}/{}", directory, name);
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

absl::StatusOr<Process> Process::Start(const ProcessOptions& options) {
  const std::string program = FindProgram(options.argv.at(0));
  if (program.empty()) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("{} is not installed", options.argv[0]));
  }
  std::vector<std::string> argv = options.argv;
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view ours(*entry);
    const std::string_view name = ours.substr(0, ours.find('='));
    bool replaced = false;
    for (const std::string& added : options.environment) {
      replaced = replaced || added.substr(0, added.find('=')) == name;
    }
    if (!replaced) environment.emplace_back(ours);
  }
  environment.insert(environment.end(), options.environment.begin(), options.environment.end());
  const std::vector<char*> argv_pointers = Pointers(argv);
  const std::vector<char*> environment_pointers = Pointers(environment);
  const bool become_nobody =
      options.user == ProcessOptions::User::kNobodyIfRoot && MayBecomeNobody();
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return ErrnoError(errno, "fork");
  if (pid == 0) {
    Child(options, become_nobody, parent, program.c_str(), argv_pointers.data(),
          environment_pointers.data());
  }
  return Process(pid);
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), exit_code_(other.exit_code_) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    Stop();
    pid_ = std::exchange(other.pid_, -1);
    exit_code_ = other.exit_code_;
  }
  return *this;
}

// True once the program has ended.
bool Process::Reap(bool block) {
  if (pid_ < 0) return true;
  int status = 0;
  pid_t got = 0;
  do {
    got = waitpid(pid_, &status, block ? 0 : WNOHANG);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return false;
  if (got == pid_) {
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  pid_ = -1;
  return true;
}

bool Process::Running() { return !Reap(false); }

absl::StatusOr<int> Process::Wait(absl::Duration timeout) {
  if (!WaitUntil([this] { return Reap(false); }, timeout)) {
    return absl::DeadlineExceededError("the program still runs");
  }
  return exit_code_;
}

void Process::Signal(int number) const {
  if (pid_ > 0) kill(pid_, number);
}

int Process::Stop(absl::Duration grace) {
  if (pid_ < 0) return exit_code_;
  if (grace > absl::ZeroDuration()) {
    kill(pid_, SIGTERM);
    kill(pid_, SIGCONT);  // it may have been stopped
    if (Wait(grace).ok()) return exit_code_;
  }
  if (pid_ > 0) kill(pid_, SIGKILL);
  Reap(true);
  return exit_code_;
}

absl::StatusOr<CommandResult> RunCommand(std::vector<std::string> argv, absl::Duration timeout,
                                         ProcessOptions options) {
  const TempDir directory;
  options.argv = std::move(argv);
  options.output_path = directory.Write("output", "");
  directory.GiveAway();
  DMARCATE_ASSIGN_OR_RETURN(Process process, Process::Start(options));
  const auto exit_code = process.Wait(timeout);
  process.Stop(absl::ZeroDuration());
  if (!exit_code.ok()) {
    return Annotate(exit_code.status(), options.argv[0]);
  }
  DMARCATE_ASSIGN_OR_RETURN(std::string output, ReadFile(options.output_path, size_t{64} << 20));
  return CommandResult{*exit_code, std::move(output)};
}

uint16_t FreePort() {
  static std::mutex mutex;
  static std::mt19937 engine{std::random_device{}()};
  const std::lock_guard lock(mutex);
  // Below the ephemeral range (from 32768), so that no outgoing connection takes it meanwhile.
  std::uniform_int_distribution<int> ports(20000, 32000);
  for (int i = 0; i < 1000; ++i) {
    const auto port = static_cast<uint16_t>(ports(engine));
    if (CanBind(SOCK_DGRAM, port) && CanBind(SOCK_STREAM, port) && Reserve(port)) return port;
  }
  std::abort();
}

bool WaitUntil(const std::function<bool()>& condition, absl::Duration timeout) {
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(timeout);
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace dmarcate::testing_support
