#include "ingestd/pipeline/crash_journal.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr size_t kHexBytes = 64;
constexpr size_t kLineBytes = kHexBytes + 1;
constexpr size_t kJournalLimitBytes = 16 << 20;
constexpr size_t kAlternateStackBytes = 64 << 10;

std::atomic<int> journal_fd = -1;
// The line that a crash of this thread appends; starts with NUL while there is none.
thread_local char current_line[kLineBytes];

// Only async-signal-safe calls.
void OnCrash(int signal_number) {
  const int fd = journal_fd.load();
  if (fd >= 0 && current_line[0] != '\0') {
    [[maybe_unused]] const ssize_t written = write(fd, current_line, kLineBytes);
    fsync(fd);
  }
  signal(signal_number, SIG_DFL);
  raise(signal_number);  // delivered when this handler returns
}

// A stack of its own for the handler, since the crash may be a stack overflow.
class AlternateStack {
 public:
  AlternateStack() : memory_(kAlternateStackBytes) {
    stack_t stack = {};
    stack.ss_sp = memory_.data();
    stack.ss_size = memory_.size();
    sigaltstack(&stack, nullptr);
  }
  ~AlternateStack() {
    stack_t stack = {};
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, nullptr);
  }

 private:
  std::vector<char> memory_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<CrashJournal>> CrashJournal::Open(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoError(errno, path);
  DMARCATE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kJournalLimitBytes));
  StringMap<int> crashes;
  for (const std::string_view line : Split(text, '\n')) {
    if (line.size() == kHexBytes) ++crashes[std::string(line)];
  }
  return std::unique_ptr<CrashJournal>(new CrashJournal(std::move(fd), std::move(crashes)));
}

CrashJournal::CrashJournal(UniqueFd fd, StringMap<int> crashes)
    : fd_(std::move(fd)), crashes_(std::move(crashes)) {
  journal_fd = fd_.get();
  struct sigaction action = {};
  action.sa_handler = OnCrash;
  action.sa_flags = SA_ONSTACK;
  for (const int number : kSignals) sigaction(number, &action, nullptr);
}

CrashJournal::~CrashJournal() {
  journal_fd = -1;
  for (const int number : kSignals) signal(number, SIG_DFL);
}

int CrashJournal::Crashes(std::string_view sha256) const {
  const auto found = crashes_.find(ToHex(sha256));
  return found == crashes_.end() ? 0 : found->second;
}

CrashJournal::Scope::Scope(std::string_view sha256) {
  thread_local const AlternateStack stack;
  const std::string hex = ToHex(sha256);
  if (hex.size() != kHexBytes) return;
  std::memcpy(current_line, hex.data(), kHexBytes);
  current_line[kHexBytes] = '\n';
}

CrashJournal::Scope::~Scope() { current_line[0] = '\0'; }

}  // namespace dmarcate
