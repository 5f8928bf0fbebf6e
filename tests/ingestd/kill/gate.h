// tests/ingestd/kill/gate.h
// Where senders wait while ingestd is down.

#ifndef DMARCATE_TESTS_INGESTD_KILL_GATE_H_
#define DMARCATE_TESTS_INGESTD_KILL_GATE_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

#include "grpcpp/channel.h"

namespace dmarcate::ingest_testing {

// Thread-safe. Close it before the daemon goes: then a sender whose connection broke waits, and
// does not run against a closed door.
class Gate {
 public:
  // `channel`: to this start of the daemon.
  void Open(std::shared_ptr<grpc::Channel> channel) {
    {
      const std::lock_guard lock(mutex_);
      channel_ = std::move(channel);
    }
    changed_.notify_all();
  }
  void Close() {
    const std::lock_guard lock(mutex_);
    channel_ = nullptr;
  }
  // For good: whoever waits goes home.
  void End() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
  }

  // Until it is open. Null: it has ended.
  std::shared_ptr<grpc::Channel> Await() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ended_ || channel_ != nullptr; });
    return ended_ ? nullptr : channel_;
  }
  // Whether it is open as it was when Await() gave `channel`.
  bool IsOpen(const std::shared_ptr<grpc::Channel>& channel) const {
    const std::lock_guard lock(mutex_);
    return !ended_ && channel_ == channel;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<grpc::Channel> channel_;  // null: closed
  bool ended_ = false;
};

}  // namespace dmarcate::ingest_testing

#endif  // DMARCATE_TESTS_INGESTD_KILL_GATE_H_
