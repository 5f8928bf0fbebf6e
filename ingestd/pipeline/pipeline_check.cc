// The pipeline's detour for mail: verified between its acceptance and its parsing, on threads of
// its own, so that slow DNS holds up neither parsers nor intake. What waits for a thread keeps its
// bytes where it is small and one of few; what waits for DNS keeps nothing but its number.
//
// Mail that comes new goes before mail that DNS left open, which never has all threads: so whoever
// sends mail of domains whose servers are silent holds up that mail, and little else.

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/cord.h"
#include "fmt/format.h"

#include "ingestd/pipeline/pipeline.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/thread.h"
#include "lib/unpack/reading.h"

namespace dmarcate {
namespace {

using SteadyClock = std::chrono::steady_clock;

// So many small mails keep their bytes while they wait for a thread, so many their receipts.
constexpr size_t kWaitWithContent = 64;
constexpr size_t kWaitWithReceipt = 4096;

constexpr char kWaitingForDns[] = "dmarcate/waiting-for-dns";

}  // namespace

bool IsWaitingForDns(const absl::Status& status) {
  return status.GetPayload(kWaitingForDns).has_value();
}

bool Pipeline::MustCheck(const Parsing& task) const {
  return verification_.checker && !task.carrier && task.parked.empty() && task.lost.ok() &&
         NeedsCheck(task.content, task.receipt.envelope);
}

// Before it is stored.
absl::Status Pipeline::AdmitCheck(const Delivery& delivery) {
  if (!verification_.checker) return absl::OkStatus();
  {
    const std::lock_guard lock(mutex_);
    if (checking_.size() + unanswered_.size() < verification_.most_waiting) return absl::OkStatus();
  }
  if (!NeedsCheck(delivery.content, delivery.envelope)) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kUnavailable,
      fmt::format("{} mails wait for DNS; try again later", verification_.most_waiting));
}

// From a parser. What may have ended the daemon is checked there, while nothing else is read.
void Pipeline::SendToCheck(Parsing task) {
  task.attempt.Suspend();
  if (task.company == Company::kAlone) {
    Check(std::move(task));
    const std::lock_guard lock(mutex_);
    return FinishReadingLocked();
  }
  {
    const std::lock_guard lock(mutex_);
    if (checking_.size() < kWaitWithReceipt) {
      if (checking_.size() >= kWaitWithContent ||
          static_cast<int64_t>(task.content.size()) > options_.keep_bytes) {
        task.DropContent();
      }
      checking_.push_back(std::move(task));
      check_ready_.notify_one();
      return FinishReadingLocked();
    }
  }
  WaitForDns(std::move(task),
             MakeError(absl::StatusCode::kUnavailable, "kept, and verified later: many mails wait"),
             absl::ZeroDuration());
  const std::lock_guard lock(mutex_);
  FinishReadingLocked();
}

void Pipeline::CheckLoop() {
  NameThread("check");
  GiveWay();  // to those who take in the next mail: its sender waits
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (MayCheckAgainLocked()) {
      Waiting waiting = std::move(unanswered_.begin()->second);
      unanswered_.erase(unanswered_.begin());
      const int64_t bytes = waiting.size_bytes;
      BeginCheckLocked(bytes);
      ++rechecks_;
      lock.unlock();
      CheckAgain(std::move(waiting));
      lock.lock();
      --rechecks_;
      EndCheckLocked(bytes);
    } else if (!checking_.empty() && MayCheckLocked(checking_.front().receipt.size_bytes)) {
      Parsing task = std::move(checking_.front());
      checking_.pop_front();
      const int64_t bytes = task.receipt.size_bytes;
      BeginCheckLocked(bytes);
      lock.unlock();
      Check(std::move(task));
      lock.lock();
      EndCheckLocked(bytes);
    } else if (!unanswered_.empty() && unanswered_.begin()->first > SteadyClock::now()) {
      const auto due = unanswered_.begin()->first;  // a copy: others may take the entry meanwhile
      check_ready_.wait_until(lock, due);
    } else {
      check_ready_.wait(lock);
    }
  }
}

bool Pipeline::MayCheckLocked(int64_t size_bytes) const {
  return checked_bytes_ == 0 || checked_bytes_ + size_bytes <= options_.check_bytes;
}

bool Pipeline::MayCheckAgainLocked() const {
  if (unanswered_.empty() || unanswered_.begin()->first > SteadyClock::now()) return false;
  const bool others = !checking_.empty();
  const int most = others ? std::min(verification_.threads - 1, 1) : verification_.threads - 1;
  if (rechecks_ >= most && (others || rechecks_ > 0)) return false;
  return MayCheckLocked(unanswered_.begin()->second.size_bytes);
}

void Pipeline::BeginCheckLocked(int64_t bytes) {
  checked_bytes_ += bytes;
  ++in_work_;
}

void Pipeline::EndCheckLocked(int64_t bytes) {
  checked_bytes_ -= bytes;
  --in_work_;
  check_ready_.notify_all();  // there may be room now
  if (IdleLocked()) idle_.notify_all();
}

void Pipeline::CheckAgain(Waiting waiting) {
  absl::StatusOr<Parsing> task = Load(&waiting);
  if (task.ok()) return Check(*std::move(task));
  if (absl::IsNotFound(task.status()) || absl::IsDataLoss(task.status())) return;
  const absl::Duration delay = NextFetch(&waiting.failures);
  WaitForDns(std::move(waiting), delay);
}

void Pipeline::Check(Parsing task) {
  const bool kept = !task.content.empty();
  task.attempt = crashes_.Begin(task.receipt.raw_sha256);
  if (const absl::Status fetched = Fetch(&task); !fetched.ok()) {
    const absl::Duration delay = NextFetch(&task.failures);
    task.attempt.Suspend();
    return WaitForDns(std::move(task), fetched, delay);
  }
  if (const absl::Status verified = Verify(&task); !verified.ok()) {
    const absl::Duration delay = RetryDelay(verification_, ++task.unreachable);
    task.attempt.End();
    return WaitForDns(std::move(task), verified, delay);
  }
  task.attempt.Suspend();
  if (!kept) task.DropContent();  // it has no share of the budget
  const std::lock_guard lock(mutex_);
  parsing_.push_back(std::move(task));
  parse_ready_.notify_one();
}

// kUnavailable: to be asked again.
absl::Status Pipeline::Verify(Parsing* task) const {
  if (!task->lost.ok()) return absl::OkStatus();
  const CrashJournal::Scope scope(task->receipt.raw_sha256);
  CheckedCarrier carrier;
  carrier.auth = verification_.checker(WithoutMailboxLine(task->content), task->receipt.envelope,
                                       task->receipt.received_time);
  const bool stopping = verification_.stopping && verification_.stopping();
  if (carrier.auth.unreachable && (stopping || !IsTimeUp(task))) {
    return MakeError(absl::StatusCode::kUnavailable,
                     "kept, and verified once DNS answers: it does not now");
  }
  carrier.one_reading =
      NeedsReading(carrier.auth) && HasOneReading(task->content, verification_.limits);
  task->carrier = std::move(carrier);
  return absl::OkStatus();
}

bool Pipeline::IsTimeUp(Parsing* task) const {
  const absl::Time now = verification_.clock->Now();
  if (task->first_check == absl::InfinitePast()) task->first_check = now;
  const absl::Time begin = std::max(task->receipt.received_time, task->first_check);
  return now - begin >= verification_.give_up;
}

// Its receipt stays pending. The sender does not wait with it, nor does who wanted a replay.
void Pipeline::WaitForDns(Parsing task, const absl::Status& why, absl::Duration delay) {
  const auto held_back = put_off_lines_.Admit("", verification_.clock->Monotonic());
  Log(held_back ? LogLevel::kInfo : LogLevel::kDebug, "check_put_off",
      {{"receipt", task.receipt.id},
       {"delay", absl::FormatDuration(delay)},
       {"error", why},
       {"held_back", held_back.value_or(0)}});
  const ReadCallback read = std::exchange(task.read, [](const auto&) {});
  absl::Status told = why;
  if (!task.replay) {
    told.SetPayload(kWaitingForDns, absl::Cord());
    WaitForDns(ToWaiting(std::move(task)), delay);
  }
  read(told);
}

void Pipeline::WaitForDns(Waiting waiting, absl::Duration delay) {
  const std::lock_guard lock(mutex_);
  unanswered_.emplace(SteadyClock::now() + absl::ToChronoNanoseconds(delay), std::move(waiting));
  if (unanswered_.size() == verification_.most_waiting) {
    LogWarn("check_queue_full", {{"mails", unanswered_.size()}});
  }
  check_ready_.notify_one();
}

}  // namespace dmarcate
