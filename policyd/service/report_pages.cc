#include "policyd/service/report_pages.h"

#include <utility>

#include "lib/base/status_macros.h"

namespace dmarcate {

absl::StatusOr<ReportPages::Report> ReportPages::Get(const std::string& name, Page page,
                                                     const Load& load) {
  if (page == Page::kLater) {
    const std::lock_guard lock(mutex_);
    if (kept_ != nullptr && name_ == name) return kept_;
  }
  DMARCATE_ASSIGN_OR_RETURN(StoredReport loaded, load());
  auto report = std::make_shared<const StoredReport>(std::move(loaded));
  if (report->report.records.size() <= kMaxKeptRecords) {
    const std::lock_guard lock(mutex_);
    name_ = name;
    kept_ = report;
  }
  return report;
}

void ReportPages::Forget(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (name_ == name) kept_ = nullptr;
}

}  // namespace dmarcate
