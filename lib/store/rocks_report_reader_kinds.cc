#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/day_range.h"
#include "lib/store/failure_codec.h"
#include "lib/store/key_codec.h"
#include "lib/store/report_db.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_report_store.h"
#include "lib/store/tls_codec.h"

namespace dmarcate {

absl::Status RocksReportReader::ForEachTlsReport(
    std::string_view domain, DayNumber first, DayNumber last,
    const std::function<bool(const StoredTlsReport&)>& visit) {
  if (first > last) return absl::OkStatus();
  const DayKeyRange range(domain, first, last);
  StoredTlsReport report;
  DMARCATE_ASSIGN_OR_RETURN(const auto db, this->db());
  return db->Scan(
      kTlsFamily, range.from, range.to, Direction::kForward,
      [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
        DMARCATE_RETURN_IF_ERROR(DecodeTlsReport(key, value, ReportParts::kAll, &report));
        return !report.current || visit(report);
      });
}

absl::StatusOr<StoredTlsReport> RocksReportReader::GetTlsReport(const ReportKey& key) {
  DMARCATE_ASSIGN_OR_RETURN(const auto db, this->db());
  const std::string db_key = ReportDbKey(key);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db->Get(kTlsFamily, db_key));
  if (!value) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("TLS report {} of {}: unknown", key.ToId(), key.domain));
  }
  StoredTlsReport report;
  DMARCATE_RETURN_IF_ERROR(DecodeTlsReport(db_key, *value, ReportParts::kAll, &report));
  return report;
}

absl::StatusOr<StoredFailureReport> RocksReportReader::GetFailureReport(const ReportKey& key) {
  DMARCATE_ASSIGN_OR_RETURN(const auto db, this->db());
  const std::string db_key = ReportDbKey(key);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db->Get(kFailuresFamily, db_key));
  if (!value) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("failure report {} of {}: unknown", key.ToId(), key.domain));
  }
  return DecodeFailureReport(db_key, *value);
}

}  // namespace dmarcate
