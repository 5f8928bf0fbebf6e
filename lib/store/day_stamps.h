// lib/store/day_stamps.h
// Notes in each commit which days of which domains it changes, and how (day_revisions.h). By the
// keys that are in the batch, so that nobody who changes a report can forget it.

#ifndef DMARCATE_LIB_STORE_DAY_STAMPS_H_
#define DMARCATE_LIB_STORE_DAY_STAMPS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"

#include "lib/base/text.h"
#include "lib/store/report_store.h"
#include "lib/store/rocks_db.h"

namespace dmarcate {

// Not thread-safe.
class DayStamps {
 public:
  static constexpr size_t kDays = 8192;  // remembered twice over, those that reports come for

  // Adds to `changes` the notes of the commit, of days that have totals: on others nothing counts.
  // `db` is as it was before the commit. `added`: keys of reports under which nothing was stored
  // before. `last_receipt`: the highest id given. Errors are those of reading.
  absl::Status Stamp(const RocksDb& db, uint64_t commit,
                     const absl::flat_hash_set<std::string>& added, ReceiptId last_receipt,
                     WriteSet* changes);

 private:
  using Place = std::pair<ReceiptId, uint64_t>;  // receipt and item
  Place* Find(const std::string& day_key);

  // By DayDbKey: the last report of the day, or a place that none of them is behind. Days that are
  // not here are taken as rewritten, once.
  StringMap<Place> last_, last_before_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_DAY_STAMPS_H_
