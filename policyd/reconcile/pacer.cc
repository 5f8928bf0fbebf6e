#include "policyd/reconcile/pacer.h"

namespace dmarcate {

bool SystemPacer::Wait(absl::Duration duration) {
  std::unique_lock lock(mutex_);
  stopped_changed_.wait_for(lock, absl::ToChronoNanoseconds(duration), [&] { return stopped_; });
  return !stopped_;
}

void SystemPacer::Stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  stopped_changed_.notify_all();
}

bool FakePacer::Wait(absl::Duration duration) {
  clock_.Advance(duration);
  const std::lock_guard lock(mutex_);
  return !stopped_;
}

void FakePacer::Stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
}

}  // namespace dmarcate
