// The lists of stored reports, whatever their kind: pages, newest day first, read backwards.

#include <utility>

#include "lib/base/status_macros.h"
#include "lib/store/day_range.h"
#include "lib/store/failure_codec.h"
#include "lib/store/key_codec.h"
#include "lib/store/report_codec.h"
#include "lib/store/report_db.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_report_store.h"
#include "lib/store/tls_codec.h"

namespace dmarcate {
namespace {

struct Asked {
  std::string_view domain;
  DayNumber first = 0, last = 0;
  const std::optional<ReportKey>& from;
  size_t limit = 0;
};

// `decode` fills one element of page.reports from a key and its value.
template <typename Page, typename Decode>
absl::StatusOr<Page> ReadPage(const RocksDb& db, ReportFamily family, const Asked& asked,
                              Decode decode) {
  Page page;
  if (asked.first > asked.last) return page;
  DayKeyRange range(asked.domain, asked.first, asked.last);
  range.EndWith(asked.domain, asked.from);
  if (range.from >= range.to) return page;
  const auto add = [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
    if (page.reports.size() >= asked.limit) {
      page.next = ParseReportDbKey(key);
      return false;
    }
    DMARCATE_RETURN_IF_ERROR(decode(key, value, &page.reports.emplace_back()));
    return true;
  };
  DMARCATE_RETURN_IF_ERROR(db.Scan(family, range.from, range.to, Direction::kBackward, add));
  return page;
}

}  // namespace

absl::StatusOr<ReportReader::ReportPage> RocksReportReader::ListReports(
    std::string_view domain, DayNumber first, DayNumber last, const std::optional<ReportKey>& from,
    size_t limit) {
  DMARCATE_ASSIGN_OR_RETURN(const auto db, this->db());
  return ReadPage<ReportPage>(
      *db, kReportsFamily, {domain, first, last, from, limit},
      [](std::string_view key, std::string_view value, StoredReport* report) {
        return DecodeReport(key, value, ReportParts::kHead, report);
      });
}

absl::StatusOr<ReportReader::TlsReportPage> RocksReportReader::ListTlsReports(
    std::string_view domain, DayNumber first, DayNumber last, const std::optional<ReportKey>& from,
    size_t limit) {
  DMARCATE_ASSIGN_OR_RETURN(const auto db, this->db());
  return ReadPage<TlsReportPage>(
      *db, kTlsFamily, {domain, first, last, from, limit},
      [](std::string_view key, std::string_view value, StoredTlsReport* report) {
        return DecodeTlsReport(key, value, ReportParts::kHead, report);
      });
}

absl::StatusOr<ReportReader::FailureReportPage> RocksReportReader::ListFailureReports(
    std::string_view domain, DayNumber first, DayNumber last, const std::optional<ReportKey>& from,
    size_t limit) {
  DMARCATE_ASSIGN_OR_RETURN(const auto db, this->db());
  return ReadPage<FailureReportPage>(*db, kFailuresFamily, {domain, first, last, from, limit},
                                     [](std::string_view key, std::string_view value,
                                        StoredFailureReport* report) -> absl::Status {
                                       DMARCATE_ASSIGN_OR_RETURN(*report,
                                                                 DecodeFailureReport(key, value));
                                       report->repairs.clear();
                                       return absl::OkStatus();
                                     });
}

}  // namespace dmarcate
