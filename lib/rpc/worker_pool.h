// lib/rpc/worker_pool.h
// A fixed number of threads behind a bounded queue: where handlers run that may block, so that
// gRPC's own threads never do.

#ifndef DMARCATE_LIB_RPC_WORKER_POOL_H_
#define DMARCATE_LIB_RPC_WORKER_POOL_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace dmarcate {

// Thread-safe.
class WorkerPool {
 public:
  WorkerPool(size_t threads, size_t queue_limit);
  ~WorkerPool() { Stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False, and `task` is not run, if the queue is full.
  [[nodiscard]] bool TryPost(std::function<void()> task);
  // Takes nothing new, runs what is queued, waits for all of it. May be called again, from one
  // thread.
  void Stop();

 private:
  void Run();

  const size_t queue_limit_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_RPC_WORKER_POOL_H_
