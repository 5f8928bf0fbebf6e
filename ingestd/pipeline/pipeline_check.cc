// The pipeline's detour for mail: verified between its acceptance and its parsing, on threads of
// its own, so that slow DNS holds up neither parsers nor intake. What waits for a thread or for DNS
// keeps neither its bytes nor its share of the budget; both are in the store.

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "ingestd/pipeline/pipeline.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/unpack/reading.h"

namespace dmarcate {
namespace {

// So many small mails keep their bytes while they wait for a thread.
constexpr size_t kWaitWithContent = 64;

}  // namespace

bool Pipeline::MustCheck(const Parsing& task) const {
  return verification_.checker && !task.carrier && task.parked.empty() && task.lost.ok() &&
         NeedsCheck(task.content, task.receipt.envelope);
}

// From a parser.
void Pipeline::SendToCheck(Parsing task) {
  task.attempt.End();
  const std::lock_guard lock(mutex_);
  if (checking_.size() >= kWaitWithContent ||
      static_cast<int64_t>(task.content.size()) > options_.keep_bytes) {
    task.DropContent();
  }
  checking_.push_back(std::move(task));
  FinishReadingLocked();
  check_ready_.notify_one();
}

void Pipeline::CheckLoop() {
  pthread_setname_np(pthread_self(), "check");
  while (true) {
    Parsing task;
    {
      std::unique_lock lock(mutex_);
      check_ready_.wait(lock, [this] { return stopping_ || !checking_.empty(); });
      if (stopping_) return;
      task = std::move(checking_.front());
      checking_.pop_front();
      ++in_work_;
    }
    Check(std::move(task));
  }
}

void Pipeline::Check(Parsing task) {
  const bool kept = !task.content.empty();
  task.attempt = crashes_.Begin(task.receipt.raw_sha256);
  if (const absl::Status fetched = Fetch(&task); !fetched.ok()) {
    const absl::Duration delay = NextFetch(&task);
    return Wait(std::move(task), fetched, delay);
  }
  if (task.lost.ok()) {
    const CrashJournal::Scope scope(task.receipt.raw_sha256);
    CheckedCarrier carrier;
    carrier.auth = verification_.checker(WithoutMailboxLine(task.content), task.receipt.envelope,
                                         task.receipt.received_time);
    if (carrier.auth.unreachable && !IsTimeUp(&task)) {
      const absl::Duration delay = RetryDelay(verification_, ++task.unreachable);
      return Wait(std::move(task),
                  MakeError(absl::StatusCode::kUnavailable,
                            "kept, and verified once DNS answers: it does not now"),
                  delay);
    }
    carrier.one_reading =
        NeedsReading(carrier.auth) && HasOneReading(task.content, verification_.limits);
    task.carrier = std::move(carrier);
  }
  task.attempt.End();
  if (!kept) task.DropContent();  // it has no share of the budget
  {
    const std::lock_guard lock(mutex_);
    parsing_.push_back(std::move(task));
    --in_work_;
  }
  parse_ready_.notify_one();
}

bool Pipeline::IsTimeUp(Parsing* task) const {
  const absl::Time now = verification_.clock->Now();
  if (task->first_check == absl::InfinitePast()) task->first_check = now;
  const absl::Time begin = std::max(task->receipt.received_time, task->first_check);
  return now - begin >= verification_.give_up;
}

// Its receipt stays pending. The sender does not wait with it, nor does who wanted a replay.
void Pipeline::Wait(Parsing task, const absl::Status& why, absl::Duration delay) {
  LogInfo("check_put_off",
          {{"receipt", task.receipt.id}, {"delay", absl::FormatDuration(delay)}, {"error", why}});
  task.attempt.End();
  task.DropContent();
  std::exchange(task.read, [](const auto&) {})(why);
  const std::lock_guard lock(mutex_);
  if (!task.replay) {
    put_off_.emplace(std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(delay),
                     std::move(task));
  }
  --in_work_;
  parse_ready_.notify_all();
  if (IdleLocked()) idle_.notify_all();
}

}  // namespace dmarcate
