#include "lib/store/report_db.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/store/key_codec.h"
#include "lib/store/report_rules.h"

namespace dmarcate {
namespace {

constexpr int64_t kLargestReserveBytes = 64 << 20;
// Those that numbers come from. What is read of raw bytes is held against their hash anyway; and a
// key that every commit writes would make all tables of the family overlap, so that each were
// merged and compressed again.
constexpr ReportFamily kStampedFamilies[] = {kMainFamily,   kIndexFamily, kReportsFamily,
                                             kTotalsFamily, kTlsFamily,   kFailuresFamily};

absl::Status RawExpired(std::string_view raw_sha256) {
  return MakeError(absl::StatusCode::kNotFound, fmt::format("raw {}: expired", ToHex(raw_sha256)));
}

}  // namespace

std::vector<FamilySpec> ReportFamilies() {
  const std::string marks = {kPendingTag, kUnreadableTag, kLateTag};
  return {{"default", FamilyKind::kSmall, marks},
          {"index", FamilyKind::kLookup},
          {"reports", FamilyKind::kPacked},
          {"totals", FamilyKind::kSmall},
          {"raw", FamilyKind::kBulk},
          {"tls", FamilyKind::kPacked},
          {"failures", FamilyKind::kPacked}};
}

absl::Status CheckLayout(std::optional<uint64_t> layout) {
  if (!layout || *layout == kReportLayout) return absl::OkStatus();
  if (*layout < kReportLayout) {
    return MakeError(
        absl::StatusCode::kUnavailable,
        fmt::format("layout {}; ingestd upgrades it to {} when it starts", *layout, kReportLayout));
  }
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   fmt::format("layout {}, this program knows {}; a newer one wrote it", *layout,
                               kReportLayout));
}

absl::StatusOr<std::optional<uint64_t>> ReadNumber(const RocksDb& db, ReportFamily family,
                                                   std::string_view key) {
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db.Get(family, key));
  if (!value) return std::nullopt;
  DMARCATE_ASSIGN_OR_RETURN(const uint64_t number, DecodeNumber(key, *value));
  return number;
}

void StampCommit(uint64_t commit, WriteSet* changes) {
  for (const ReportFamily family : kStampedFamilies) {
    changes->Put(family, std::string(kCommitKey), EncodeNumber(kCommitKey, commit));
  }
}

absl::StatusOr<uint64_t> ReadCommit(const RocksDb& db) {
  std::optional<uint64_t> commit;
  for (const ReportFamily family : kStampedFamilies) {
    DMARCATE_ASSIGN_OR_RETURN(const auto number, ReadNumber(db, family, kCommitKey));
    if (!number || (commit && *commit != *number)) {
      return MakeError(absl::StatusCode::kUnavailable,
                       fmt::format("reports store: family \"{}\" is not of the same commit as the "
                                   "others; a file may be damaged",
                                   ReportFamilies()[family].name));
    }
    commit = number;
  }
  return *commit;
}

absl::StatusOr<std::optional<StoredReceipt>> ReadReceipt(const RocksDb& db, ReceiptId id) {
  const std::string key = ReceiptDbKey(kReceiptTag, id);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db.Get(kMainFamily, key));
  if (!value) return std::nullopt;
  DMARCATE_ASSIGN_OR_RETURN(StoredReceipt receipt, DecodeReceipt(key, *value));
  return receipt;
}

absl::StatusOr<StoredReceipt> MustReadReceipt(const RocksDb& db, ReceiptId id) {
  DMARCATE_ASSIGN_OR_RETURN(auto receipt, ReadReceipt(db, id));
  if (receipt) return *std::move(receipt);
  return MakeError(absl::StatusCode::kDataLoss,
                   fmt::format("receipt {}: an index names it, but it is not there", id));
}

absl::Status ScanReceipts(const RocksDb& db, char tag, ReceiptId first, ReceiptId before,
                          Direction direction,
                          const std::function<absl::StatusOr<bool>(ReceiptId)>& visit) {
  const std::string to =
      before == 0 ? KeyAfterPrefix(std::string(1, tag)) : ReceiptDbKey(tag, before);
  return db.Scan(kMainFamily, ReceiptDbKey(tag, first), to, direction,
                 [&](std::string_view key, std::string_view) -> absl::StatusOr<bool> {
                   const auto id = ParseReceiptDbKey(tag, key);
                   if (!id) {
                     return MakeError(absl::StatusCode::kDataLoss,
                                      "reports store: a key does not decode");
                   }
                   return visit(*id);
                 });
}

absl::StatusOr<bool> HasReports(const RocksDb& db, std::string_view domain, DayNumber day) {
  const std::string day_key = DayDbKey(domain, day);
  bool any = false;
  DMARCATE_RETURN_IF_ERROR(
      db.Scan(kReportsFamily, day_key, KeyAfterPrefix(day_key), Direction::kForward,
              [&any](std::string_view, std::string_view) -> absl::StatusOr<bool> {
                any = true;
                return false;
              }));
  return any;
}

absl::StatusOr<std::optional<FirstReceipt>> FindRaw(const RocksDb& db,
                                                    std::string_view raw_sha256) {
  const std::string key = RawHashKey(raw_sha256);
  DMARCATE_ASSIGN_OR_RETURN(const auto id, ReadNumber(db, kIndexFamily, key));
  if (!id) return std::nullopt;
  FirstReceipt first{*id, MustReadReceipt(db, *id)};
  if (!first.stored.ok() && !absl::IsDataLoss(first.stored.status())) return first.stored.status();
  if (!first.stored.ok() || first.stored->receipt.raw_sha256 == raw_sha256) return first;
  // They share 80 bits. Those who came later lie under receipts of their own.
  std::optional<FirstReceipt> found;
  const std::string prefix = RawCopyPrefix(raw_sha256);
  const auto look = [&](std::string_view copy, std::string_view) -> absl::StatusOr<bool> {
    const auto later = ParseRawCopyKey(copy);
    if (!later) return true;
    auto stored = ReadReceipt(db, *later);
    if (absl::IsDataLoss(stored.status())) return true;
    DMARCATE_RETURN_IF_ERROR(stored.status());
    if (!*stored || (*stored)->receipt.raw_sha256 != raw_sha256) return true;
    found = FirstReceipt{*later, **std::move(stored)};
    return false;
  };
  DMARCATE_RETURN_IF_ERROR(
      db.Scan(kIndexFamily, prefix, KeyAfterPrefix(prefix), Direction::kForward, look));
  return found;
}

absl::StatusOr<std::optional<StoredReceipt>> FindRaisingCopy(const RocksDb& db,
                                                             const Receipt& first) {
  std::optional<StoredReceipt> found;
  int looked_at = 0;
  const std::string prefix = RawCopyPrefix(first.raw_sha256);
  const auto look = [&](std::string_view copy, std::string_view) -> absl::StatusOr<bool> {
    if (++looked_at > kCopiesLookedAt) return false;
    const auto later = ParseRawCopyKey(copy);
    if (!later) return true;
    auto stored = ReadReceipt(db, *later);
    if (absl::IsDataLoss(stored.status())) return true;
    DMARCATE_RETURN_IF_ERROR(stored.status());
    // Hashes may share 80 bits.
    if (!*stored || (*stored)->receipt.raw_sha256 != first.raw_sha256) return true;
    if (!HasRaisedTrust((*stored)->items)) return true;
    found = **std::move(stored);
    return false;
  };
  DMARCATE_RETURN_IF_ERROR(
      db.Scan(kIndexFamily, prefix, KeyAfterPrefix(prefix), Direction::kBackward, look));
  return found;
}

absl::StatusOr<std::string> ReadRawBytes(const RocksDb& db, std::string_view raw_sha256) {
  DMARCATE_ASSIGN_OR_RETURN(const auto first, FindRaw(db, raw_sha256));
  if (!first) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("raw {}: unknown", ToHex(raw_sha256)));
  }
  const ReceiptId id = first->id;
  DMARCATE_ASSIGN_OR_RETURN(auto bytes, db.Get(kRawFamily, RawDbKey(id)));
  if (!bytes && first->stored.ok() && first->stored->receipt.raw_gone)
    return RawExpired(raw_sha256);
  if (bytes && bytes->size() == kRawPieceBytes) {
    const int64_t size = first->stored.ok() ? first->stored->receipt.size_bytes : 0;
    bytes->reserve(static_cast<size_t>(std::clamp<int64_t>(size, 0, kLargestReserveBytes)));
    for (uint32_t piece = 1; bytes->size() == piece * kRawPieceBytes; ++piece) {
      DMARCATE_ASSIGN_OR_RETURN(const auto more, db.Get(kRawFamily, RawPieceDbKey(id, piece)));
      if (!more) break;
      bytes->append(*more);
    }
  }
  if (!bytes || Sha256(*bytes) != raw_sha256) {
    return MakeError(absl::StatusCode::kDataLoss,
                     fmt::format("raw {}: the bytes do not match their hash", ToHex(raw_sha256)));
  }
  return *std::move(bytes);
}

}  // namespace dmarcate
