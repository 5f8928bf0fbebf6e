// policyd/reconcile/run_pool.h
// The threads on which transactions run, and who waits for which: one run for each change, however
// many callers ask for it. The caller of Start says what a run does; the pool knows nothing of DNS.

#ifndef DMARCATE_POLICYD_RECONCILE_RUN_POOL_H_
#define DMARCATE_POLICYD_RECONCILE_RUN_POOL_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/store/policy_store.h"
#include "policyd/reconcile/lease_table.h"

namespace dmarcate {

// UNAVAILABLE SHUTTING_DOWN.
absl::Status ShuttingDown();

// Thread-safe.
class RunPool {
 public:
  // One transaction, waiting or running.
  class Run;
  using Work = std::function<absl::StatusOr<ChangeRecord>()>;

  // `leases` outlives it.
  RunPool(LeaseTable& leases, size_t max_running, size_t max_waiting);
  ~RunPool() {
    BeginStop();
    Join();
  }
  RunPool(const RunPool&) = delete;
  RunPool& operator=(const RunPool&) = delete;

  // Hands `change` to a worker, under a lease, which ends with the run; joins the run that it has
  // already.
  //   kUnavailable SHUTTING_DOWN, kResourceExhausted RATE_LIMITED, kAborted CHANGE_IN_PROGRESS
  absl::StatusOr<std::shared_ptr<Run>> Start(const ChangeRecord& change, Work work);
  // Null: none runs or waits.
  std::shared_ptr<Run> Find(std::string_view domain, std::string_view id);
  // The run that undoes that change, with its own id; null: none.
  std::pair<std::shared_ptr<Run>, std::string> FindRollbackOf(std::string_view domain,
                                                              std::string_view id);
  // What became of it; nothing if it goes on after `wait`.
  std::optional<absl::StatusOr<ChangeRecord>> Await(const std::shared_ptr<Run>& run,
                                                    absl::Duration wait);

  // No new runs; what waits ends with SHUTTING_DOWN. False: it has been called before. Between it
  // and Join() the caller ends what the runs wait for.
  bool BeginStop();
  // After BeginStop: returns when what runs has ended.
  void Join();
  // Blocks until nothing runs.
  void WaitIdle();

 private:
  using Key = std::pair<std::string, std::string>;  // domain, change
  void WorkerLoop();
  bool IsStopping();

  LeaseTable& leases_;
  const size_t max_runs_;
  std::mutex mutex_;
  std::condition_variable work_changed_;  // queue_ or stopping_
  std::condition_variable run_ended_;
  std::map<Key, std::shared_ptr<Run>> runs_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_RUN_POOL_H_
