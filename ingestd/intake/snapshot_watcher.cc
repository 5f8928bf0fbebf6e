#include "ingestd/intake/snapshot_watcher.h"

#include <utility>

#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"

namespace dmarcate {

absl::StatusOr<Snapshot> ReadSnapshotFile(const std::string& file) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kSnapshotLimitBytes));
  absl::StatusOr<Snapshot> snapshot = ParseSnapshot(text);
  if (!snapshot.ok()) return Annotate(snapshot.status(), file);
  return snapshot;
}

void SnapshotWatcher::Tell(const absl::Status& error) {
  const std::string text = error.ToString();
  if (std::exchange(told_, text) == text) return;
  LogWarn(absl::IsNotFound(error) ? "snapshot_missing" : "snapshot_unusable",
          {{"error", error},
           {"until_then", has_one_ ? "the report addresses that were read before"
                                   : "mail to report addresses is put off with 450"}});
}

std::optional<Snapshot> SnapshotWatcher::Look() {
  if (file_.empty()) return std::nullopt;
  const FileStamp stamp = FileStamp::Of(file_);
  if (stamp.there() && stamp == seen_) return std::nullopt;
  const absl::StatusOr<Snapshot> snapshot = ReadSnapshotFile(file_);
  if (!snapshot.ok()) {
    // Content stays wrong, or too much, until it is replaced; a disk may read the next time.
    const bool stays =
        absl::IsDataLoss(snapshot.status()) || absl::IsResourceExhausted(snapshot.status());
    seen_ = stays ? stamp : FileStamp();
    Tell(snapshot.status());
    return std::nullopt;
  }
  seen_ = stamp;
  has_one_ = true;
  told_.clear();
  LogInfo("snapshot_read", {{"file", file_},
                            {"domains", snapshot->domains.size()},
                            {"addresses", snapshot->addresses.size()}});
  return *snapshot;
}

void SnapshotWatcher::Watch(absl::Duration interval,
                            std::function<void(const Snapshot&)> on_snapshot) {
  if (file_.empty()) return;
  thread_ = std::thread([this, interval, on_snapshot = std::move(on_snapshot)] {
    std::unique_lock lock(mutex_);
    while (!stop_changed_.wait_for(lock, absl::ToChronoNanoseconds(interval),
                                   [this] { return stop_; })) {
      lock.unlock();
      if (const std::optional<Snapshot> snapshot = Look()) on_snapshot(*snapshot);
      lock.lock();
    }
  });
}

void SnapshotWatcher::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stop_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace dmarcate
