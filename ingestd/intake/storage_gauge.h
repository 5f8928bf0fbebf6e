// ingestd/intake/storage_gauge.h
// How full the store's file system is, and who is refused when (safety.md D3): never half-accept.

#ifndef DMARCATE_INGESTD_INTAKE_STORAGE_GAUGE_H_
#define DMARCATE_INGESTD_INTAKE_STORAGE_GAUGE_H_

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"

#include "lib/base/clock.h"
#include "lib/store/report_store.h"

namespace dmarcate {

struct Watermarks {
  int import_percent = 85;  // bulk import
  int intake_percent = 92;  // everything that comes in
  int write_percent = 97;   // every write but deletions: what was taken in stays unread
};

// Thread-safe.
class StorageGauge {
 public:
  // `used_percent` measures; it is asked at most once a second. Where it cannot tell, the figure
  // before holds, and without one nobody is let in.
  StorageGauge(const Clock& clock, Watermarks watermarks,
               std::function<std::optional<int>()> used_percent);
  // kResourceExhausted with the figures in the message.
  absl::Status Admit(Channel channel);
  // The same for what is written about what was taken in: rows, reports written anew.
  absl::Status AdmitRows();

 private:
  absl::Status AdmitBelow(int limit);
  const Clock& clock_;
  const Watermarks watermarks_;
  const std::function<std::optional<int>()> measure_;
  std::mutex mutex_;
  absl::Duration measured_at_ = -absl::InfiniteDuration();
  std::optional<int> percent_;
};

// Of the file system that holds `path`, as an unprivileged process may fill it.
std::optional<int> UsedPercent(const std::string& path);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_STORAGE_GAUGE_H_
