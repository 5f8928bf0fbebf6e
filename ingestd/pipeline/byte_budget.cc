#include "ingestd/pipeline/byte_budget.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>

#include "absl/time/clock.h"

namespace dmarcate {
namespace {

constexpr std::chrono::milliseconds kGiveUpInterval(100);

}  // namespace

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

void ByteBudget::Reservation::Absorb(Reservation other) {
  if (budget_ == nullptr) {
    *this = std::move(other);
  } else if (std::exchange(other.budget_, nullptr) != nullptr) {
    bytes_ += other.bytes_;
  }
}

void ByteBudget::Reservation::ShrinkTo(int64_t bytes) {
  bytes = std::max<int64_t>(bytes, 1);
  if (budget_ == nullptr || bytes >= bytes_) return;
  budget_->Release(bytes_ - bytes);
  bytes_ = bytes;
}

uint64_t ByteBudget::Acquire(int64_t bytes, std::function<void(Reservation)> ready) {
  return Enqueue(bytes, std::move(ready));
}

// 0: answered already.
uint64_t ByteBudget::Enqueue(int64_t bytes, std::function<void(Reservation)> ready) {
  bytes = std::clamp<int64_t>(bytes, 1, total_bytes_);
  bool granted = false;
  {
    const std::lock_guard lock(mutex_);
    if (!closed_) {
      if (!waiters_.empty() || used_bytes_ + bytes > total_bytes_) {
        waiters_.push_back({bytes, std::move(ready), ++last_ticket_});
        return last_ticket_;
      }
      used_bytes_ += bytes;
      granted = true;
    }
  }
  ready(granted ? Reservation(this, bytes) : Reservation());
  return 0;
}

// Whoever waited behind may be served now.
void ByteBudget::Withdraw(uint64_t ticket) {
  std::function<void(Reservation)> unused;  // goes when the lock is free
  std::unique_lock lock(mutex_);
  const auto found = std::ranges::find(waiters_, ticket, &Waiter::ticket);
  if (found == waiters_.end()) return;
  unused.swap(found->ready);
  waiters_.erase(found);
  Serve(lock);
}

ByteBudget::Reservation ByteBudget::AcquireBefore(int64_t bytes, absl::Time deadline) {
  return AcquireUnless(bytes, [deadline] { return absl::Now() >= deadline; });
}

ByteBudget::Reservation ByteBudget::AcquireUnless(int64_t bytes,
                                                  const std::function<bool()>& give_up) {
  // A grant that comes too late lies in the promise, which goes, and so returns it.
  auto granted = std::make_shared<std::promise<Reservation>>();
  std::future<Reservation> future = granted->get_future();
  const uint64_t ticket = Enqueue(
      bytes, [granted](Reservation reservation) { granted->set_value(std::move(reservation)); });
  granted.reset();
  while (future.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    if (give_up()) {
      Withdraw(ticket);
      return {};
    }
    future.wait_for(kGiveUpInterval);
  }
  return future.get();
}

void ByteBudget::Release(int64_t bytes) {
  std::unique_lock lock(mutex_);
  used_bytes_ -= bytes;
  Serve(lock);
}

// One thread serves, in a loop: those it calls may give back at once, also from within the call.
void ByteBudget::Serve(std::unique_lock<std::mutex>& lock) {
  if (std::exchange(serving_, true)) return;
  while (!waiters_.empty() && used_bytes_ + waiters_.front().bytes <= total_bytes_) {
    used_bytes_ += waiters_.front().bytes;
    Waiter waiter = std::move(waiters_.front());
    waiters_.pop_front();
    lock.unlock();
    waiter.ready(Reservation(this, waiter.bytes));
    waiter.ready = nullptr;  // and with it a grant that nobody took
    lock.lock();
  }
  serving_ = false;
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
