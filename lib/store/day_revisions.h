// lib/store/day_revisions.h
// Which days of a domain have changed, without reading their reports: an aspect of a ReportReader
// that not every one has. For those who keep what they have made of a day.

#ifndef DMARCATE_LIB_STORE_DAY_REVISIONS_H_
#define DMARCATE_LIB_STORE_DAY_REVISIONS_H_

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/base/time.h"
#include "lib/store/report_store.h"

namespace dmarcate {

struct DayRevision {
  DayNumber day = 0;
  uint64_t revision = 0;   // never 0
  uint64_t rewritten = 0;  // the last one that was more than reports behind all others of the day
  friend bool operator==(const DayRevision&, const DayRevision&) = default;
};

// Thread-safe.
class DayRevisionReader {
 public:
  virtual ~DayRevisionReader() = default;
  // By day, within [first, last]. As long as the revision of a day is the same, so are its current
  // reports that count (IsCounted) and its totals of what has expired; whoever reads the revision
  // first and the reports then has reports at least as new. A day that is left out has neither.
  // As long as `rewritten` is the same, all that was read of the day is still so, and what is new
  // has higher keys. Errors as ReportReader.
  virtual absl::StatusOr<std::vector<DayRevision>> ReadDayRevisions(std::string_view domain,
                                                                    DayNumber first,
                                                                    DayNumber last) = 0;
  // As ReportReader::ForEachReport(), of the day of `key` alone and from behind it on.
  virtual absl::Status ForEachReportAfter(
      const ReportKey& key, const std::function<bool(const StoredReport&)>& visit) = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_DAY_REVISIONS_H_
