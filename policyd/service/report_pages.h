// policyd/service/report_pages.h
// A report is decoded as a whole, and shown by the page. The one whose pages are being read is kept
// between them, so that reading all of a report costs one decoding and not one for each page.

#ifndef DMARCATE_POLICYD_SERVICE_REPORT_PAGES_H_
#define DMARCATE_POLICYD_SERVICE_REPORT_PAGES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"

#include "lib/store/report_store.h"

namespace dmarcate {

// Thread-safe. Keeps one report, and none of more than kMaxKeptRecords records: those are decoded
// for each page, which costs less than the memory.
class ReportPages {
 public:
  static constexpr size_t kMaxKeptRecords = 100'000;
  enum class Page : uint8_t { kFirst, kLater };
  using Report = std::shared_ptr<const StoredReport>;
  using Load = std::function<absl::StatusOr<StoredReport>()>;

  // The report `name`: `load`ed for its first page, afterwards as it was then, if it is still kept.
  absl::StatusOr<Report> Get(const std::string& name, Page page, const Load& load);
  // Its last page is given.
  void Forget(const std::string& name);

 private:
  std::mutex mutex_;
  std::string name_;  // of kept_
  Report kept_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_REPORT_PAGES_H_
