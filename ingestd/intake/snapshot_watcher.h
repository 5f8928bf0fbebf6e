// ingestd/intake/snapshot_watcher.h
// Reads policyd's snapshot (docs/snapshot.md) and again whenever it was replaced. What cannot be
// read leaves the one before in place: ingestd goes on with what it knew.

#ifndef DMARCATE_INGESTD_INTAKE_SNAPSHOT_WATCHER_H_
#define DMARCATE_INGESTD_INTAKE_SNAPSHOT_WATCHER_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/file_stamp.h"
#include "lib/snapshot/snapshot.h"

namespace dmarcate {

// kDataLoss: it is no snapshot, and which line says so     otherwise: as ReadFile()
absl::StatusOr<Snapshot> ReadSnapshotFile(const std::string& file);

// Not thread-safe.
class SnapshotWatcher {
 public:
  // `file`: empty: there is none, and nothing ever happens.
  explicit SnapshotWatcher(std::string file) : file_(std::move(file)) {}
  ~SnapshotWatcher() { Stop(); }
  SnapshotWatcher(const SnapshotWatcher&) = delete;
  SnapshotWatcher& operator=(const SnapshotWatcher&) = delete;

  // The snapshot, if it can be read and was not read before. What is wrong with it is logged
  // (snapshot_missing, snapshot_unusable), once as long as it stays so. Not after Watch().
  std::optional<Snapshot> Look();

  // Looks every `interval`, on a thread of its own, where `on_snapshot` is called. Call once.
  void Watch(absl::Duration interval, std::function<void(const Snapshot&)> on_snapshot);
  static constexpr absl::Duration kInterval = absl::Seconds(1);
  // Returns once a call that runs has ended.
  void Stop();

 private:
  void Tell(const absl::Status& error);

  const std::string file_;
  FileStamp seen_;    // of what was read last, usable or not
  std::string told_;  // what was logged last
  bool has_one_ = false;

  std::mutex mutex_;
  std::condition_variable stop_changed_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SNAPSHOT_WATCHER_H_
