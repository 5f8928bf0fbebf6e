// The writer: what waits becomes groups, and groups become commits.

#include <utility>

#include "ingestd/pipeline/convert.h"
#include "ingestd/pipeline/pipeline.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/thread.h"

namespace dmarcate {
namespace {

// After these the store takes no more writes until it is opened again.
bool IsFatal(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kResourceExhausted ||
         status.code() == absl::StatusCode::kFailedPrecondition;
}

// So much of an import is committed at once.
constexpr size_t kBulkGroup = 128;

}  // namespace

void Pipeline::WriteLoop() {
  NameThread("write");
  Group group;
  while (TakeGroup(&group)) {
    Commit(std::move(group));
    group = Group();
    const std::lock_guard lock(mutex_);
    in_work_ = in_work_ - 1;
    if (IdleLocked()) idle_.notify_all();
  }
}

bool Pipeline::IsUrgent(const Committing& read) {
  return read.replay || HasWaitingSender(read.receipt.channel);
}

// Each sync takes time in which the processor could parse. So while parsers have work, what nobody
// waits for comes together: rows, and deliveries of a bulk import. Whoever makes MayParseLocked()
// false wakes the writer.
bool Pipeline::MayWriteLocked() const {
  if (stopping_) return true;
  if (accepting_.empty() && committing_.empty()) return false;
  return !MayParseLocked() || urgent_ > 0 || accepting_.size() >= kBulkGroup ||
         committing_.size() >= kBulkGroup;
}

// Whatever waits, up to the limits of a group. False at the end.
bool Pipeline::TakeGroup(Group* group) {
  std::unique_lock lock(mutex_);
  write_ready_.wait(lock, [this] { return MayWriteLocked(); });
  if (accepting_.empty() && committing_.empty()) return false;
  int64_t bytes = 0, rows = 0;
  while (!committing_.empty() && rows < options_.group_rows) {
    const bool alone = committing_.front().company == Company::kAlone;
    if (alone && !group->committing.empty()) break;
    rows += committing_.front().rows;
    committing_rows_ -= committing_.front().rows;
    if (IsUrgent(committing_.front())) --urgent_;
    group->committing.push_back(std::move(committing_.front()));
    committing_.pop_front();
    if (alone) {
      ++in_work_;
      return true;
    }
  }
  while (!accepting_.empty() && group->accepting.size() < options_.group_items) {
    bytes += static_cast<int64_t>(accepting_.front().delivery.content.size());
    if (!group->accepting.empty() && bytes > options_.group_bytes) break;
    if (HasWaitingSender(accepting_.front().delivery.channel)) --urgent_;
    group->accepting.push_back(std::move(accepting_.front()));
    accepting_.pop_front();
  }
  ++in_work_;
  if (MayParseLocked()) parse_ready_.notify_all();  // they may have waited for rows to go
  return true;
}

// Two batches, so that what the store refuses of one kind does not touch the other; the sync of the
// second covers the first.
void Pipeline::Commit(Group group) {
  const size_t read = group.committing.size();
  const bool alone = read > 0 && group.committing.front().company == Company::kAlone;
  CommitRead(std::move(group.committing));
  {
    const std::lock_guard lock(mutex_);
    reading_ -= read;
    if (alone) alone_ = false;
    if (MayParseLocked()) parse_ready_.notify_all();
  }
  CommitReceived(std::move(group.accepting));
}

void Pipeline::CommitReceived(std::vector<Accepting> group) {
  if (group.empty()) return;
  const bool alone = group.size() == 1;  // then nobody needs the bytes for another try
  CommitBatch batch;
  for (Accepting& item : group) {
    Delivery& delivery = item.delivery;
    CommitBatch::Accepted& accepted = batch.accepted.emplace_back();
    accepted.receipt.raw_sha256 = delivery.sha256;
    accepted.receipt.size_bytes = static_cast<int64_t>(delivery.content.size());
    accepted.receipt.received_time = delivery.received_time;
    accepted.receipt.channel = delivery.channel;
    accepted.receipt.file_name = delivery.file_name;
    accepted.receipt.envelope = delivery.envelope;
    if (alone && accepted.receipt.size_bytes > options_.keep_bytes) {
      accepted.raw = std::exchange(delivery.content, std::string());
    } else {
      accepted.raw = delivery.content;
    }
  }
  std::vector<Receipt> receipts;
  for (const CommitBatch::Accepted& accepted : batch.accepted) receipts.push_back(accepted.receipt);
  const absl::StatusOr<CommitResult> result = store_.Commit(std::move(batch), Sync::kYes);
  if (!result.ok() && !IsFatal(result.status()) && !alone) {
    // One of them is what the store cannot take.
    for (Accepting& item : group) {
      std::vector<Accepting> one;
      one.push_back(std::move(item));
      CommitReceived(std::move(one));
    }
    return;
  }
  if (!result.ok()) {
    LogError("commit_failed", {{"error", result.status()}, {"accepting", group.size()}});
    for (Accepting& item : group) {
      item.durable(result.status());
      item.read(result.status());
    }
    ReportFatal(result.status());
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < receipts.size(); ++i) {
      Parsing task;
      task.receipt = std::move(receipts[i]);
      task.receipt.id = result->accepted[i];
      if (task.receipt.size_bytes <= options_.keep_bytes) {
        task.content = std::move(group[i].delivery.content);
      }
      task.reservation = std::move(group[i].delivery.reservation);
      task.read = std::move(group[i].read);
      parsing_.push_back(std::move(task));
    }
  }
  for (const Accepting& item : group) item.durable(absl::OkStatus());
  if (alone) {
    parse_ready_.notify_one();
  } else {
    parse_ready_.notify_all();
  }
}

// Not synced: after a power failure the receipts are pending and are read again.
void Pipeline::CommitRead(std::vector<Committing> group) {
  if (group.empty()) return;
  CommitBatch batch;
  for (Committing& item : group) batch.processed.push_back(std::move(item.processed));
  const absl::StatusOr<CommitResult> result = store_.Commit(std::move(batch), Sync::kNo);
  if (!result.ok()) {
    FailRead(std::move(group), result.status());
    return;
  }
  for (size_t i = 0; i < group.size(); ++i) {
    group[i].reservation.Release();
    group[i].read(result->processed[i]);
  }
}

// Nothing of the group was written.
void Pipeline::FailRead(std::vector<Committing> group, const absl::Status& error) {
  LogError("commit_failed", {{"error", error}, {"committing", group.size()}});
  for (Committing& item : group) {
    if (IsFatal(error)) {
      item.read(error);  // its receipt stays pending
      continue;
    }
    if (item.company == Company::kAlone && item.replay) {
      item.read(error);
      continue;
    }
    if (item.company == Company::kAlone) {
      // This very report is what the store cannot take.
      CommitBatch batch;
      batch.processed.push_back(ToQuarantined(item.receipt, "store_refused", MessageOf(error)));
      auto result = store_.Commit(std::move(batch), Sync::kNo);
      if (result.ok()) {
        item.read(std::move(result->processed[0]));
      } else {
        item.read(result.status());
        ReportFatal(result.status());
      }
      continue;
    }
    Parsing again;
    again.receipt = std::move(item.receipt);
    again.reservation = std::move(item.reservation);
    again.read = std::move(item.read);
    again.company = Company::kAlone;
    again.replay = item.replay;
    const std::lock_guard lock(mutex_);
    parsing_.push_back(std::move(again));
  }
  ReportFatal(error);
}

// Nothing more is taken after an error that only a restart ends.
void Pipeline::ReportFatal(const absl::Status& error) {
  if (!IsFatal(error)) return;
  {
    const std::lock_guard lock(mutex_);
    if (!failure_.ok()) return;
    failure_ = error;
  }
  on_failure_(error);
}

}  // namespace dmarcate
