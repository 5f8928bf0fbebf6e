// ingestd/pipeline/byte_budget.h
// Bounds the memory of everything that was received and is not finished, in bytes. Whoever receives
// reserves first, in order of asking; so a full queue slows senders down instead of growing.

#ifndef DMARCATE_INGESTD_PIPELINE_BYTE_BUDGET_H_
#define DMARCATE_INGESTD_PIPELINE_BYTE_BUDGET_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

#include "absl/time/time.h"

namespace dmarcate {

// Thread-safe. Outlives its reservations.
class ByteBudget {
 public:
  // Bytes that are set aside until this object goes. Move-only.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(Reservation&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_) {}
    Reservation& operator=(Reservation&& other) noexcept;
    ~Reservation() { Release(); }
    bool valid() const { return budget_ != nullptr; }
    void Release();
    // Takes the bytes of `other`, which is valid() and of the same budget, or this one is not
    // valid().
    void Absorb(Reservation other);
    // Gives back what is more than `bytes`; at least one byte stays.
    void ShrinkTo(int64_t bytes);

   private:
    friend class ByteBudget;
    Reservation(ByteBudget* budget, int64_t bytes) : budget_(budget), bytes_(bytes) {}
    ByteBudget* budget_ = nullptr;
    int64_t bytes_ = 0;
  };

  explicit ByteBudget(int64_t total_bytes) : total_bytes_(total_bytes) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  // Calls `ready` once, at once or when `bytes` are free, then on the thread that freed them. What
  // is larger than the whole waits until nothing else is out. After Close() the reservation is not
  // valid(). Returns a ticket for Withdraw().
  uint64_t Acquire(int64_t bytes, std::function<void(Reservation)> ready);
  // Leaves the queue: `ready` is dropped uncalled, unless its call has begun already.
  void Withdraw(uint64_t ticket);
  // The same for a thread that can wait. Not valid() at the deadline or after Close(); then nothing
  // stays in the queue.
  Reservation AcquireBefore(int64_t bytes, absl::Time deadline);
  // Not valid() once `give_up`, asked a few times a second, says so, or after Close().
  Reservation AcquireUnless(int64_t bytes, const std::function<bool()>& give_up);
  // Nobody waits any longer.
  void Close();
  int64_t used_bytes() const;
  int64_t total_bytes() const { return total_bytes_; }

 private:
  struct Waiter {
    int64_t bytes = 0;
    std::function<void(Reservation)> ready;
    uint64_t ticket = 0;
  };
  uint64_t Enqueue(int64_t bytes, std::function<void(Reservation)> ready);
  void Release(int64_t bytes);
  void Serve(std::unique_lock<std::mutex>& lock);

  const int64_t total_bytes_;
  mutable std::mutex mutex_;
  int64_t used_bytes_ = 0;
  bool closed_ = false;
  bool serving_ = false;  // some thread calls those whose turn it is
  uint64_t last_ticket_ = 0;
  std::deque<Waiter> waiters_;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_PIPELINE_BYTE_BUDGET_H_
