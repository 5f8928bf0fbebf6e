#include "ingestd/pipeline/crash_journal.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr size_t kHexBytes = 64;
constexpr size_t kLineBytes = kHexBytes + 1;
constexpr size_t kJournalLimitBytes = 16 << 20;
constexpr size_t kAttemptBytes = kHexBytes + 3;
constexpr off_t kAttemptsLimitBytes = 4 << 20;
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
  const std::string attempts_path = path + ".attempts";
  UniqueFd crashes_fd(open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!crashes_fd.valid()) return ErrnoError(errno, path);
  UniqueFd attempts_fd(open(attempts_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!attempts_fd.valid()) return ErrnoError(errno, attempts_path);
  DMARCATE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kJournalLimitBytes));
  StringMap<int> crashes;
  for (const std::string_view line : Split(text, '\n')) {
    if (line.size() == kHexBytes) ++crashes[std::string(line)];
  }
  struct stat info = {};
  if (fstat(attempts_fd.get(), &info) != 0) return ErrnoError(errno, attempts_path);
  // Lines stay for good where the process ended between a commit and the end of its attempt. Some
  // do not matter; at this many, forget: that costs another attempt at most.
  if (info.st_size > kAttemptsLimitBytes && ftruncate(attempts_fd.get(), 0) != 0) {
    return ErrnoError(errno, attempts_path);
  }
  DMARCATE_ASSIGN_OR_RETURN(const std::string attempts,
                            ReadFile(attempts_path, kJournalLimitBytes));
  std::unique_ptr<CrashJournal> journal(
      new CrashJournal(std::move(crashes_fd), std::move(attempts_fd), std::move(crashes)));
  journal->ReadAttempts(attempts);
  return journal;
}

CrashJournal::CrashJournal(UniqueFd crashes_fd, UniqueFd attempts_fd, StringMap<int> crashes)
    : crashes_fd_(std::move(crashes_fd)),
      attempts_fd_(std::move(attempts_fd)),
      crashes_(std::move(crashes)) {
  journal_fd = crashes_fd_.get();
  struct sigaction action = {};
  action.sa_handler = OnCrash;
  action.sa_flags = SA_ONSTACK;
  for (const int number : kSignals) sigaction(number, &action, nullptr);
}

// "HASH 2\n": two attempts have begun. Anything else is a line that is free.
void CrashJournal::ReadAttempts(std::string_view text) {
  lines_ = static_cast<uint32_t>((text.size() + kAttemptBytes - 1) / kAttemptBytes);
  for (uint32_t line = lines_; line-- > 0;) {
    const std::string_view entry = text.substr(line * kAttemptBytes, kAttemptBytes);
    const bool whole = entry.size() == kAttemptBytes && entry[kHexBytes] == ' ' &&
                       entry[kHexBytes + 1] >= '1' && entry[kHexBytes + 1] <= '9';
    const Unended found{line, whole ? entry[kHexBytes + 1] - '0' : 0};
    if (!whole || !unended_.emplace(entry.substr(0, kHexBytes), found).second) {
      free_lines_.push_back(line);
    }
  }
}

CrashJournal::~CrashJournal() {
  journal_fd = -1;
  for (const int number : kSignals) signal(number, SIG_DFL);
}

int CrashJournal::Crashes(std::string_view sha256) const {
  const auto found = crashes_.find(ToHex(sha256));
  return found == crashes_.end() ? 0 : found->second;
}

int CrashJournal::Unfinished(std::string_view sha256) const {
  const std::lock_guard lock(mutex_);
  const auto found = unended_.find(ToHex(sha256));
  return found == unended_.end() ? 0 : found->second.attempts;
}

std::string CrashJournal::WhyParked(std::string_view sha256) const {
  if (const int crashes = Crashes(sha256); crashes >= kCrashesUntilParked) {
    return fmt::format("reading it ended the daemon {} times; parked", crashes);
  }
  if (const int attempts = Unfinished(sha256); attempts >= kAttemptsUntilParked) {
    return fmt::format("the daemon ended {} times while reading it; parked", attempts);
  }
  return "";
}

CrashJournal::Attempt CrashJournal::Begin(std::string_view sha256) {
  const std::string hex = ToHex(sha256);
  if (hex.size() != kHexBytes) return {};
  const std::lock_guard lock(mutex_);
  Unended now;
  if (const auto before = unended_.find(hex); before != unended_.end()) {
    now = before->second;
    unended_.erase(before);  // this one decides
  } else if (!free_lines_.empty()) {
    now.line = free_lines_.back();
    free_lines_.pop_back();
  } else {
    now.line = lines_++;
  }
  WriteAttempts(now.line, hex, now.attempts + 1);
  return {this, now.line, now.attempts, hex};
}

void CrashJournal::WriteAttempts(uint32_t line, std::string_view hex, int attempts) {
  WriteLine(line, fmt::format("{} {}\n", hex, std::min(attempts, 9)));
}

// Into the page cache: it has to survive the process, not the machine. An error costs the
// protection only.
void CrashJournal::WriteLine(uint32_t line, std::string_view text) {
  [[maybe_unused]] const ssize_t written =
      pwrite(attempts_fd_.get(), text.data(), text.size(),
             static_cast<off_t>(line) * static_cast<off_t>(kAttemptBytes));
}

CrashJournal::Attempt& CrashJournal::Attempt::operator=(Attempt&& other) noexcept {
  if (this != &other) {
    End();
    journal_ = std::exchange(other.journal_, nullptr);
    line_ = other.line_;
    before_ = other.before_;
    hex_ = std::move(other.hex_);
  }
  return *this;
}

void CrashJournal::Attempt::End() {
  CrashJournal* journal = std::exchange(journal_, nullptr);
  if (journal == nullptr) return;
  static const std::string kFree = std::string(kAttemptBytes - 1, '-') + '\n';
  journal->WriteLine(line_, kFree);
  const std::lock_guard lock(journal->mutex_);
  journal->free_lines_.push_back(line_);
}

void CrashJournal::Attempt::Suspend() {
  if (journal_ == nullptr) return;
  if (before_ > 0) {
    const std::lock_guard lock(journal_->mutex_);
    // Unless the same bytes are in work elsewhere, or were.
    if (journal_->unended_.emplace(hex_, Unended{line_, before_}).second) {
      journal_->WriteAttempts(line_, hex_, before_);
      journal_ = nullptr;
      return;
    }
  }
  End();
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
