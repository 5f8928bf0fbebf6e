// policyd/reconcile/pacer.h
// Waiting as a dependency: between two looks at the DNS, between two tries. Stop() ends all waits,
// so that a drain does not take as long as a verification.

#ifndef DMARCATE_POLICYD_RECONCILE_PACER_H_
#define DMARCATE_POLICYD_RECONCILE_PACER_H_

#include <condition_variable>
#include <mutex>

#include "absl/time/time.h"

#include "lib/base/clock.h"

namespace dmarcate {

// Thread-safe.
class Pacer {
 public:
  virtual ~Pacer() = default;
  // False: stopping. What waits leaves its work in the journal and returns.
  virtual bool Wait(absl::Duration duration) = 0;
  virtual void Stop() = 0;
};

class SystemPacer final : public Pacer {
 public:
  bool Wait(absl::Duration duration) override;
  void Stop() override;

 private:
  std::mutex mutex_;
  std::condition_variable stopped_changed_;
  bool stopped_ = false;
};

// For tests: waiting moves the clock and takes no time.
class FakePacer final : public Pacer {
 public:
  explicit FakePacer(FakeClock& clock) : clock_(clock) {}
  bool Wait(absl::Duration duration) override;
  void Stop() override;

 private:
  FakeClock& clock_;
  std::mutex mutex_;
  bool stopped_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_PACER_H_
