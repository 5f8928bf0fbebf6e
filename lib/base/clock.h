// lib/base/clock.h
// Time as a dependency. Decisions take `now` as an argument; what acts takes a Clock.

#ifndef DMARCATE_LIB_BASE_CLOCK_H_
#define DMARCATE_LIB_BASE_CLOCK_H_

#include <mutex>

#include "absl/time/time.h"

namespace dmarcate {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time, UTC. May jump; never used for ordering.
  virtual absl::Time Now() const = 0;
  // Time since an arbitrary start; never goes back. For deadlines.
  virtual absl::Duration Monotonic() const = 0;
};

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override;
  absl::Duration Monotonic() const override;
};

// Stands still until told otherwise.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(absl::Time start) : now_(start) {}
  absl::Time Now() const override;
  absl::Duration Monotonic() const override;
  void Advance(absl::Duration by);   // both clocks
  void JumpWallTo(absl::Time wall);  // as when an operator sets the date

 private:
  mutable std::mutex mutex_;
  absl::Time now_;
  absl::Duration monotonic_ = absl::ZeroDuration();
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_CLOCK_H_
