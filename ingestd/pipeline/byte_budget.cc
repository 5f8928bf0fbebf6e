#include "ingestd/pipeline/byte_budget.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <vector>

namespace dmarcate {

ByteBudget::Reservation& ByteBudget::Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    Release();
    budget_ = std::exchange(other.budget_, nullptr);
    bytes_ = other.bytes_;
  }
  return *this;
}

void ByteBudget::Reservation::Release() {
  if (ByteBudget* budget = std::exchange(budget_, nullptr); budget != nullptr) {
    budget->Release(bytes_);
  }
}

void ByteBudget::Acquire(int64_t bytes, std::function<void(Reservation)> ready) {
  bytes = std::clamp<int64_t>(bytes, 1, total_bytes_);
  bool granted = false;
  {
    const std::lock_guard lock(mutex_);
    if (!closed_) {
      if (!waiters_.empty() || used_bytes_ + bytes > total_bytes_) {
        waiters_.push_back({bytes, std::move(ready)});
        return;
      }
      used_bytes_ += bytes;
      granted = true;
    }
  }
  ready(granted ? Reservation(this, bytes) : Reservation());
}

ByteBudget::Reservation ByteBudget::AcquireBefore(int64_t bytes, absl::Time deadline) {
  // A grant that comes after the deadline lies in the promise, which goes, and so returns it.
  auto granted = std::make_shared<std::promise<Reservation>>();
  std::future<Reservation> future = granted->get_future();
  Acquire(bytes,
          [granted](Reservation reservation) { granted->set_value(std::move(reservation)); });
  granted.reset();
  if (future.wait_until(absl::ToChronoTime(deadline)) != std::future_status::ready) return {};
  return future.get();
}

void ByteBudget::Release(int64_t bytes) {
  std::vector<Waiter> served;
  {
    const std::lock_guard lock(mutex_);
    used_bytes_ -= bytes;
    while (!waiters_.empty() && used_bytes_ + waiters_.front().bytes <= total_bytes_) {
      used_bytes_ += waiters_.front().bytes;
      served.push_back(std::move(waiters_.front()));
      waiters_.pop_front();
    }
  }
  for (Waiter& waiter : served) waiter.ready(Reservation(this, waiter.bytes));
}

void ByteBudget::Close() {
  std::deque<Waiter> refused;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    refused.swap(waiters_);
  }
  for (Waiter& waiter : refused) waiter.ready(Reservation());
}

int64_t ByteBudget::used_bytes() const {
  const std::lock_guard lock(mutex_);
  return used_bytes_;
}

}  // namespace dmarcate
