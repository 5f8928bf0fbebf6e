#include "policyd/service/report_follower.h"

#include "fmt/format.h"

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/errors.h"

namespace dmarcate {

void ReportFollower::CallWhenReady(std::function<void()> on_ready) {
  {
    const std::lock_guard lock(mutex_);
    if (reader_ == nullptr) {
      on_ready_ = std::move(on_ready);
      return;
    }
  }
  on_ready();
}

absl::Status ReportFollower::OpenOrCatchUp() {
  ReportReader* known = nullptr;
  {
    const std::lock_guard lock(mutex_);
    known = reader_.get();
  }
  if (known != nullptr) return known->CatchUp();  // without the lock: queries go on meanwhile
  DMARCATE_ASSIGN_OR_RETURN(std::unique_ptr<ReportReader> opened, opener_());
  DMARCATE_RETURN_IF_ERROR(opened->CatchUp());
  std::function<void()> on_ready;
  {
    const std::lock_guard lock(mutex_);
    reader_ = std::move(opened);
    on_ready = std::exchange(on_ready_, nullptr);
  }
  LogInfo("reports_store_found", {});
  if (on_ready) on_ready();
  return absl::OkStatus();
}

absl::Status ReportFollower::Tick() {
  const std::lock_guard tick_lock(tick_mutex_);
  absl::Status status = OpenOrCatchUp();
  const std::lock_guard lock(mutex_);
  if (!status.ok() && status.code() != last_error_.code()) {
    // Nobody's fault before ingestd's first start: RocksReportReader::Follow().
    if (reader_ == nullptr && absl::IsDeadlineExceeded(status)) {
      LogInfo("reports_store_awaited", {{"reason", MessageOf(status)}});
    } else {
      LogWarn("reports_store_not_read", {{"error", status}});
    }
  }
  last_error_ = status;
  return status;
}

absl::StatusOr<ReportReader*> ReportFollower::Reader() const {
  const std::lock_guard lock(mutex_);
  if (reader_ != nullptr) return reader_.get();
  return ReasonError(Reason::kStarting,
                     fmt::format("the reports store is not there yet: {}",
                                 last_error_.ok() ? "not tried" : MessageOf(last_error_)));
}

}  // namespace dmarcate
