#include "policyd/service/ticker.h"

#include <utility>

namespace dmarcate {

Ticker::Ticker(absl::Duration interval, std::function<void()> tick)
    : interval_(interval), tick_(std::move(tick)), thread_([this] {
        std::unique_lock lock(mutex_);
        while (!stop_) {
          lock.unlock();
          tick_();
          lock.lock();
          stop_changed_.wait_for(lock, absl::ToChronoNanoseconds(interval_),
                                 [this] { return stop_; });
        }
      }) {}

void Ticker::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stop_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace dmarcate
