// ingestd/pipeline/crash_journal.h
// Poison protection (safety.md D10): remembers across crashes which bytes were being read when the
// process died of them. Bytes that did it twice are parked; everything else goes on.
//
// The name is written by the signal handler of SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT, on the
// crashing thread, and so is exact: neither other items in work nor a SIGKILL from outside are
// counted.

#ifndef DMARCATE_INGESTD_PIPELINE_CRASH_JOURNAL_H_
#define DMARCATE_INGESTD_PIPELINE_CRASH_JOURNAL_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "lib/base/file.h"
#include "lib/base/text.h"

namespace dmarcate {

inline constexpr int kCrashesUntilParked = 2;

// One per process, because signal handlers are. Thread-safe once open.
class CrashJournal {
 public:
  // Reads `path` (made if missing: one hash a line, appended by crashes) and installs the handlers.
  static absl::StatusOr<std::unique_ptr<CrashJournal>> Open(const std::string& path);
  ~CrashJournal();

  // How often these bytes (SHA-256, 32 bytes) crashed the process before it started.
  int Crashes(std::string_view sha256) const;

  // While it lives, a crash of this thread is put down to these bytes.
  class Scope {
   public:
    explicit Scope(std::string_view sha256);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };

 private:
  CrashJournal(UniqueFd fd, StringMap<int> crashes);

  UniqueFd fd_;
  StringMap<int> crashes_;  // by hash in hex
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_PIPELINE_CRASH_JOURNAL_H_
