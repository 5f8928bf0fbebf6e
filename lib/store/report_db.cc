#include "lib/store/report_db.h"

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/store/key_codec.h"

namespace dmarcate {

std::vector<FamilySpec> ReportFamilies() {
  return {{"default", FamilyKind::kSmall},
          {"index", FamilyKind::kLookup},
          {"reports", FamilyKind::kPacked},
          {"totals", FamilyKind::kSmall},
          {"raw", FamilyKind::kBlob}};
}

absl::Status CheckLayout(std::optional<uint64_t> layout) {
  if (!layout || *layout == kReportLayout) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   fmt::format("layout {}, this program knows {}; a newer one wrote it", *layout,
                               kReportLayout));
}

absl::StatusOr<std::optional<uint64_t>> ReadNumber(const RocksDb& db, std::string_view key) {
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db.Get(kMainFamily, key));
  if (!value) return std::nullopt;
  DMARCATE_ASSIGN_OR_RETURN(const uint64_t number, DecodeNumber(key, *value));
  return number;
}

absl::StatusOr<std::optional<StoredReceipt>> ReadReceipt(const RocksDb& db, ReceiptId id) {
  const std::string key = ReceiptDbKey(kReceiptTag, id);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db.Get(kMainFamily, key));
  if (!value) return std::nullopt;
  DMARCATE_ASSIGN_OR_RETURN(StoredReceipt receipt, DecodeReceipt(key, *value));
  return receipt;
}

absl::StatusOr<std::string> ReadRawBytes(const RocksDb& db, std::string_view raw_sha256) {
  DMARCATE_ASSIGN_OR_RETURN(auto value, db.Get(kRawFamily, raw_sha256));
  if (!value) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("raw {}: unknown", ToHex(raw_sha256)));
  }
  if (Sha256(*value) != raw_sha256) {
    return MakeError(absl::StatusCode::kDataLoss,
                     fmt::format("raw {}: the bytes do not match their hash", ToHex(raw_sha256)));
  }
  return *std::move(value);
}

}  // namespace dmarcate
