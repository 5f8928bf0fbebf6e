#include "ingestd/intake/storage_gauge.h"

#include <sys/statvfs.h>

#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"

namespace dmarcate {

StorageGauge::StorageGauge(const Clock& clock, Watermarks watermarks,
                           std::function<std::optional<int>()> used_percent)
    : clock_(clock), watermarks_(watermarks), measure_(std::move(used_percent)) {}

absl::Status StorageGauge::Admit(Channel channel) {
  return AdmitBelow(channel == Channel::kImport ? watermarks_.import_percent
                                                : watermarks_.intake_percent);
}

absl::Status StorageGauge::AdmitRows() { return AdmitBelow(watermarks_.write_percent); }

absl::Status StorageGauge::AdmitBelow(int limit) {
  const std::lock_guard lock(mutex_);
  if (const absl::Duration now = clock_.Monotonic(); now - measured_at_ >= absl::Seconds(1)) {
    measured_at_ = now;
    if (const std::optional<int> percent = measure_(); percent.has_value()) percent_ = percent;
  }
  if (!percent_.has_value()) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     "the store's disk does not say how full it is");
  }
  if (*percent_ < limit) return absl::OkStatus();
  return MakeError(absl::StatusCode::kResourceExhausted,
                   fmt::format("the store's disk is {} % full, limit {} %", *percent_, limit));
}

std::optional<int> UsedPercent(const std::string& path) {
  struct statvfs info = {};
  if (statvfs(path.c_str(), &info) != 0 || info.f_blocks == 0) return std::nullopt;
  const auto used = info.f_blocks - info.f_bfree;
  const auto usable = used + info.f_bavail;  // without what is reserved for root
  return usable == 0 ? 100 : static_cast<int>(used * 100 / usable);
}

}  // namespace dmarcate
