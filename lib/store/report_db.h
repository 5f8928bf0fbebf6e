// lib/store/report_db.h
// What writer and follower of the reports database share: its families, and reading single things.

#ifndef DMARCATE_LIB_STORE_REPORT_DB_H_
#define DMARCATE_LIB_STORE_REPORT_DB_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/store/report_store.h"
#include "lib/store/rocks_db.h"
#include "lib/store/value_codec.h"

namespace dmarcate {

inline constexpr uint64_t kReportLayout = 4;  // under kFormatKey; docs/store.md: when to raise it
inline constexpr uint64_t kFirstReportLayout = 1;  // see report_upgrade.h

enum ReportFamily : int {
  kMainFamily,
  kIndexFamily,
  kReportsFamily,
  kTotalsFamily,
  kRawFamily,
  kTlsFamily,
  kFailuresFamily,
};
std::vector<FamilySpec> ReportFamilies();  // in the order of the enum

// `layout` nullopt: a new database.
//   kFailedPrecondition  a newer program wrote it
//   kUnavailable         an older one, and the writer has not upgraded it yet
absl::Status CheckLayout(std::optional<uint64_t> layout);

// The number under `key`, if any.
absl::StatusOr<std::optional<uint64_t>> ReadNumber(const RocksDb& db, ReportFamily family,
                                                   std::string_view key);
// Puts the number of the commit into every family that numbers come from: all but raw.
void StampCommit(uint64_t commit, WriteSet* changes);
// kUnavailable: the families are of different commits, or there is none yet.
absl::StatusOr<uint64_t> ReadCommit(const RocksDb& db);
// nullopt: no such receipt.
absl::StatusOr<std::optional<StoredReceipt>> ReadReceipt(const RocksDb& db, ReceiptId id);
// One that something else names: kDataLoss if it is not there.
absl::StatusOr<StoredReceipt> MustReadReceipt(const RocksDb& db, ReceiptId id);
// Keys of one tag that name receipts in [first, before); before 0: all from `first` on.
absl::Status ScanReceipts(const RocksDb& db, char tag, ReceiptId first, ReceiptId before,
                          Direction direction,
                          const std::function<absl::StatusOr<bool>(ReceiptId)>& visit);
// Aggregate reports of a day.
absl::StatusOr<bool> HasReports(const RocksDb& db, std::string_view domain, DayNumber day);
// The receipt that brought raw bytes first. Its number is known, and with it where the bytes lie,
// also where its value does not decode (kDataLoss).
struct FirstReceipt {
  ReceiptId id = 0;
  absl::StatusOr<StoredReceipt> stored;
};
// nullopt: the bytes are not there.
absl::StatusOr<std::optional<FirstReceipt>> FindRaw(const RocksDb& db, std::string_view raw_sha256);
// The receipt of the same bytes after `first` by which a report's trust was raised, among the
// kCopiesLookedAt newest; nullopt: none.
inline constexpr int kCopiesLookedAt = 16;
absl::StatusOr<std::optional<StoredReceipt>> FindRaisingCopy(const RocksDb& db,
                                                             const Receipt& first);
// As ReportWriter::ReadRaw().
absl::StatusOr<std::string> ReadRawBytes(const RocksDb& db, std::string_view raw_sha256);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_REPORT_DB_H_
