// ingestd/pipeline/crash_journal.h
// Poison protection (safety.md D10): remembers across the ends of the process which bytes were in
// work when it ended. Bytes that did it too often are parked; everything else goes on.
//
// Two kinds of evidence. Crashes: the name is written by the signal handler of SIGSEGV, SIGBUS,
// SIGFPE, SIGILL and SIGABRT, on the crashing thread, and so is exact. Attempts: each has a line
// from its begin to its end, for what no handler sees, such as the OOM killer's SIGKILL. That names
// bystanders, too; so whoever has unfinished attempts is tried again alone, after which only the
// culprit gathers more.

#ifndef DMARCATE_INGESTD_PIPELINE_CRASH_JOURNAL_H_
#define DMARCATE_INGESTD_PIPELINE_CRASH_JOURNAL_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/base/file.h"
#include "lib/base/text.h"

namespace dmarcate {

inline constexpr int kCrashesUntilParked = 2;
inline constexpr int kAttemptsUntilParked = 3;

// One per process, because signal handlers are. Thread-safe once open. Hashes are SHA-256, 32
// bytes.
class CrashJournal {
 public:
  // Reads `path` (made if missing: one hash a line, appended by crashes) and `path`.attempts (a
  // line of fixed length for each attempt in work), and installs the handlers.
  static absl::StatusOr<std::unique_ptr<CrashJournal>> Open(const std::string& path);
  ~CrashJournal();

  // How often these bytes crashed the process before it started.
  int Crashes(std::string_view sha256) const;
  // How many attempts at these bytes had begun and not ended when it started; 0 while another is in
  // work.
  int Unfinished(std::string_view sha256) const;

  // Why these bytes are not to be read, for a person; empty: they may be.
  std::string WhyParked(std::string_view sha256) const;

  // From its making to its going: these bytes are in work. Move-only.
  class Attempt {
   public:
    Attempt() = default;
    Attempt(Attempt&& other) noexcept
        : journal_(std::exchange(other.journal_, nullptr)),
          line_(other.line_),
          before_(other.before_),
          hex_(std::move(other.hex_)) {}
    Attempt& operator=(Attempt&& other) noexcept;
    ~Attempt() { End(); }
    void End();
    // Nothing works on them now, but they are not through: what was counted before this attempt
    // stays, and the next one goes on from there.
    void Suspend();

   private:
    friend class CrashJournal;
    Attempt(CrashJournal* journal, uint32_t line, int before, std::string hex)
        : journal_(journal), line_(line), before_(before), hex_(std::move(hex)) {}
    CrashJournal* journal_ = nullptr;
    uint32_t line_ = 0;
    int before_ = 0;   // attempts that did not end
    std::string hex_;  // the hash
  };
  // The journal outlives it.
  Attempt Begin(std::string_view sha256);

  // While it lives, a crash of this thread is put down to these bytes.
  class Scope {
   public:
    explicit Scope(std::string_view sha256);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };

 private:
  struct Unended {
    uint32_t line = 0;
    int attempts = 0;
  };
  CrashJournal(UniqueFd crashes_fd, UniqueFd attempts_fd, StringMap<int> crashes);
  void ReadAttempts(std::string_view text);
  void WriteLine(uint32_t line, std::string_view text);
  void WriteAttempts(uint32_t line, std::string_view hex, int attempts);

  UniqueFd crashes_fd_, attempts_fd_;
  StringMap<int> crashes_;      // by hash in hex
  mutable std::mutex mutex_;    // guards the rest
  StringMap<Unended> unended_;  // by hash in hex: that did not end, and are not in work now
  std::vector<uint32_t> free_lines_;
  uint32_t lines_ = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_PIPELINE_CRASH_JOURNAL_H_
