#include "policyd/reconcile/run_pool.h"

#include "lib/base/status_macros.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {

absl::Status ShuttingDown() {
  return MakeReasonedError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN", "policyd is stopping");
}

// Guarded by the pool's mutex_.
class RunPool::Run {
 public:
  std::string rollback_of;
  bool done = false;
  absl::StatusOr<ChangeRecord> result = absl::UnknownError("not run");
};

RunPool::RunPool(LeaseTable& leases, size_t max_running, size_t max_waiting)
    : leases_(leases), max_runs_(max_running + max_waiting) {
  for (size_t i = 0; i < max_running; ++i) {
    workers_.emplace_back([this] { WorkerLoop(); });
  }
}

void RunPool::WorkerLoop() {
  while (true) {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      work_changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

absl::StatusOr<std::shared_ptr<RunPool::Run>> RunPool::Start(const ChangeRecord& change,
                                                             Work work) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return ShuttingDown();
  const Key key{change.domain, change.id};
  if (const auto found = runs_.find(key); found != runs_.end()) return found->second;
  if (runs_.size() >= max_runs_) {
    return MakeReasonedError(absl::StatusCode::kResourceExhausted, "RATE_LIMITED",
                             fmt::format("{} changes are waiting; try again later", runs_.size()));
  }
  DMARCATE_RETURN_IF_ERROR(leases_.Acquire(change));
  auto run = std::make_shared<Run>();
  run->rollback_of = change.intent.rollback_of;
  runs_[key] = run;
  queue_.push_back([this, key, run, change, work = std::move(work)] {
    absl::StatusOr<ChangeRecord> result = ShuttingDown();
    if (!IsStopping()) result = work();
    leases_.Release(change);
    const std::lock_guard run_lock(mutex_);
    run->result = std::move(result);
    run->done = true;
    runs_.erase(key);
    run_ended_.notify_all();
  });
  work_changed_.notify_one();
  return run;
}

std::shared_ptr<RunPool::Run> RunPool::Find(std::string_view domain, std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto found = runs_.find({std::string(domain), std::string(id)});
  return found == runs_.end() ? nullptr : found->second;
}

std::pair<std::shared_ptr<RunPool::Run>, std::string> RunPool::FindRollbackOf(
    std::string_view domain, std::string_view id) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, run] : runs_) {
    if (key.first == domain && run->rollback_of == id) return {run, key.second};
  }
  return {};
}

std::optional<absl::StatusOr<ChangeRecord>> RunPool::Await(const std::shared_ptr<Run>& run,
                                                           absl::Duration wait) {
  std::unique_lock lock(mutex_);
  const auto ended = [&] { return run->done; };
  if (wait == absl::InfiniteDuration()) {
    run_ended_.wait(lock, ended);
  } else {
    run_ended_.wait_for(lock, absl::ToChronoNanoseconds(wait), ended);
  }
  if (run->done) return run->result;
  return std::nullopt;
}

bool RunPool::BeginStop() {
  const std::lock_guard lock(mutex_);
  work_changed_.notify_all();
  return !std::exchange(stopping_, true);
}

void RunPool::Join() {
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

bool RunPool::IsStopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void RunPool::WaitIdle() {
  std::unique_lock lock(mutex_);
  run_ended_.wait(lock, [&] { return runs_.empty(); });
}

}  // namespace dmarcate
