// lib/rpc/call.h
// One call, as the code that answers it sees it.

#ifndef DMARCATE_LIB_RPC_CALL_H_
#define DMARCATE_LIB_RPC_CALL_H_

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/time/time.h"
#include "grpcpp/support/status.h"

#include "lib/rpc/auth.h"
#include "lib/rpc/worker_pool.h"

namespace grpc {
class CallbackServerContext;
}

namespace dmarcate {

// What a method does decides how long it may take, whatever the client allows.
enum class CallKind { kRead, kMutation, kStream };
inline constexpr absl::Duration kReadLimit = absl::Seconds(10);
inline constexpr absl::Duration kMutationLimit = absl::Seconds(30);
inline constexpr absl::Duration kStreamLimit = absl::Minutes(10);

class Call {
 public:
  Call(Principal principal, absl::Time deadline)
      : principal_(std::move(principal)), deadline_(deadline) {}
  const Principal& principal() const { return principal_; }
  // Wall time. Pass it on to whatever blocks: afterwards nobody waits for the answer.
  absl::Time deadline() const { return deadline_; }
  // The client is gone, or the deadline has passed. Long loops look at it. Thread-safe.
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

 private:
  Principal principal_;
  absl::Time deadline_;
  std::atomic<bool> cancelled_ = false;
};

// What all services of a daemon share. Outlives the server.
class CallHost {
 public:
  // `stream_limit` is what a stream may take; only tests have another.
  CallHost(const Authenticator& authenticator, WorkerPool& workers,
           absl::Duration stream_limit = kStreamLimit)
      : authenticator_(authenticator), workers_(workers), stream_limit_(stream_limit) {}

  // The head of every handler: authenticates, refuses while draining, sets the deadline.
  // Returns OK and a call, or the error to finish with.
  grpc::Status Begin(const grpc::CallbackServerContext& context, CallKind kind,
                     std::shared_ptr<Call>* call) const;
  WorkerPool& workers() const { return workers_; }

  // From now on Begin() answers UNAVAILABLE SHUTTING_DOWN; streams look at draining().
  void StartDraining() { draining_.store(true, std::memory_order_relaxed); }
  bool draining() const { return draining_.load(std::memory_order_relaxed); }
  // Blocks until no call runs; false if some still do after `limit`. Calls that were let in before
  // StartDraining() are waited for, later ones there are none.
  bool AwaitIdle(absl::Duration limit) const;

 private:
  const Authenticator& authenticator_;
  WorkerPool& workers_;
  const absl::Duration stream_limit_;
  std::atomic<bool> draining_ = false;
  mutable std::mutex mutex_;  // guards running_
  mutable std::condition_variable idle_;
  mutable size_t running_ = 0;
};

// The errors the wrappers themselves finish with.
grpc::Status QueueFullError();
grpc::Status DeadlineError();
grpc::Status ShuttingDownError();

}  // namespace dmarcate

#endif  // DMARCATE_LIB_RPC_CALL_H_
