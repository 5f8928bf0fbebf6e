// tests/testing/ends_with_us.h
// Ends a program once this one has ended, even by a signal that cannot be handled. Process does so
// by the parent-death signal (PR_SET_PDEATHSIG), which a program that changes its user loses.

#ifndef DMARCATE_TESTS_TESTING_ENDS_WITH_US_H_
#define DMARCATE_TESTS_TESTING_ENDS_WITH_US_H_

#include <sys/types.h>

#include <utility>

#include "absl/status/statusor.h"

#include "lib/base/file.h"

namespace dmarcate::testing_support {

// A process of its own, in a session of its own, that waits for our end. Not thread-safe.
class EndsWithUs {
 public:
  // `pid`: a child of ours. It is sent SIGTERM, and SIGKILL if it still runs after five seconds.
  static absl::StatusOr<EndsWithUs> Watch(pid_t pid);
  EndsWithUs(EndsWithUs&& other) noexcept;
  EndsWithUs& operator=(EndsWithUs&&) = delete;
  // The program may go on without us.
  ~EndsWithUs();

 private:
  EndsWithUs(pid_t watcher, UniqueFd ours) : watcher_(watcher), ours_(std::move(ours)) {}
  pid_t watcher_;
  UniqueFd ours_;  // a pipe: the other end learns that we are gone
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_TESTING_ENDS_WITH_US_H_
