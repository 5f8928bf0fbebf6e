// lib/store/report_upgrade.h
// Brings a reports database of an older layout to the present one (docs/store.md). The writer does
// it while it opens the store, before anything reads or commits.

#ifndef DMARCATE_LIB_STORE_REPORT_UPGRADE_H_
#define DMARCATE_LIB_STORE_REPORT_UPGRADE_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"

#include "lib/store/rocks_db.h"

namespace dmarcate {

inline constexpr size_t kUpgradeStepKeys = 10'000;  // in memory at once: some 2 MiB

// From `layout`, which is at most kReportLayout, in steps of `step_keys`. Ended at any moment it
// leaves the one layout or the other: one synced write is between them, what comes before that is
// made anew, and what comes after it goes on with `layout` the present one. `db` has all families
// of ReportFamilies(), and no follower of the present layout.
//   kDataLoss  a number that it needs is not there, or does not decode
absl::Status UpgradeReports(uint64_t layout, RocksDb* db, size_t step_keys = kUpgradeStepKeys);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_REPORT_UPGRADE_H_
