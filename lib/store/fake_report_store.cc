#include "lib/store/fake_report_store.h"

#include <algorithm>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/store/fake_report_model.h"
#include "lib/store/report_rules.h"

namespace dmarcate {
namespace {

StoredTlsReport WithoutRows(const StoredTlsReport& report) {
  StoredTlsReport out = report;
  out.report.policies = std::vector<TlsReport::PolicyResult>();
  out.repairs = std::vector<Repair>();
  return out;
}

StoredFailureReport WithoutRows(const StoredFailureReport& report) {
  StoredFailureReport out = report;
  out.repairs.clear();
  return out;
}

StoredReport WithoutRows(const StoredReport& report) {
  StoredReport out = report;
  out.report.metadata.errors.clear();
  out.report.records.clear();
  out.report.extensions.clear();
  out.repairs.clear();
  return out;
}

}  // namespace

absl::StatusOr<std::vector<Receipt>> FakeReportStore::Pending(size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<Receipt> out;
  for (const auto& [id, entry] : written_.receipts) {
    if (out.size() >= limit) break;
    if (!entry.first.processed) out.push_back(entry.first);
  }
  return out;
}

absl::StatusOr<int64_t> FakeReportStore::CountPending(int64_t limit) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Receipt> pending,
                            Pending(static_cast<size_t>(std::max<int64_t>(limit, 0))));
  return static_cast<int64_t>(pending.size());
}

absl::StatusOr<std::optional<std::vector<ReceiptItem>>> FakeReportStore::FindByRaw(
    std::string_view raw_sha256) {
  const std::lock_guard lock(mutex_);
  const auto found = written_.first_receipt.find(raw_sha256);
  if (found == written_.first_receipt.end()) return std::nullopt;
  for (auto it = written_.receipts.rbegin(); it != written_.receipts.rend(); ++it) {
    const auto& [receipt, items] = it->second;
    if (receipt.raw_sha256 == raw_sha256 && HasRaisedTrust(items)) return items;
  }
  const auto& [receipt, items] = written_.receipts.at(found->second);
  if (!receipt.processed) return std::nullopt;
  return items;
}

absl::StatusOr<StoredReceipt> FakeReportStore::GetReceipt(ReceiptId id) {
  const std::lock_guard lock(mutex_);
  const auto found = written_.receipts.find(id);
  if (found == written_.receipts.end()) {
    return MakeError(absl::StatusCode::kNotFound, fmt::format("receipt {}: unknown", id));
  }
  return StoredReceipt{found->second.first, found->second.second};
}

absl::StatusOr<std::string> FakeReportStore::ReadRaw(std::string_view raw_sha256) {
  const std::lock_guard lock(mutex_);
  const auto found = written_.raw.find(raw_sha256);
  if (found == written_.raw.end()) {
    return MakeError(absl::StatusCode::kNotFound,
                     written_.first_receipt.contains(raw_sha256) ? "raw: expired" : "raw: unknown");
  }
  if (Sha256(found->second) != raw_sha256) {
    return MakeError(absl::StatusCode::kDataLoss, "raw: the bytes do not match their hash");
  }
  return found->second;
}

absl::StatusOr<std::string> FakeReportStore::ReadRawOf(ReceiptId receipt) {
  DMARCATE_ASSIGN_OR_RETURN(const StoredReceipt stored, GetReceipt(receipt));
  return ReadRaw(stored.receipt.raw_sha256);
}

absl::StatusOr<ReportWriter::UnreadablePage> FakeReportStore::ListUnreadable(
    std::optional<ItemPlace> from, size_t limit) {
  const std::lock_guard lock(mutex_);
  UnreadablePage page;
  for (auto it = written_.receipts.rbegin(); it != written_.receipts.rend(); ++it) {
    const auto& [receipt, items] = it->second;
    if (from && receipt.id > from->receipt) continue;
    const uint32_t first = from && receipt.id == from->receipt ? from->ordinal : 0;
    if (!AddUnreadable(receipt, items, first, limit, &page)) break;
  }
  return page;
}

FakeReportStore::State FakeReportStore::Seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

absl::Status FakeReportStore::CatchUp() {
  const std::lock_guard lock(mutex_);
  seen_ = written_;
  seen_version_ = written_version_;
  return absl::OkStatus();
}

uint64_t FakeReportStore::version() const {
  const std::lock_guard lock(mutex_);
  return seen_version_;
}

absl::Status FakeReportStore::ForEachReport(std::string_view domain, DayNumber first,
                                            DayNumber last,
                                            const std::function<bool(const StoredReport&)>& visit) {
  for (const auto& [key, report] : Seen().reports) {
    if (key.domain != domain || key.day < first || key.day > last || !report.current) continue;
    if (!visit(report)) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DayTotals>> FakeReportStore::ReadTotals(std::string_view domain,
                                                                   DayNumber first,
                                                                   DayNumber last) {
  std::map<DayNumber, DayTotals> days;
  DMARCATE_ASSIGN_OR_RETURN(const auto expired, ReadExpiredTotals(domain, first, last));
  for (const DayTotals& totals : expired) {
    if (totals.reports > 0) days[totals.day] = totals;
  }
  DMARCATE_RETURN_IF_ERROR(ForEachReport(domain, first, last, [&days](const StoredReport& report) {
    if (!IsCounted(report.trust)) return true;
    DayTotals& totals = days[report.key.day];
    totals.day = report.key.day;
    AddToTotals(report.report, &totals);
    return true;
  }));
  std::vector<DayTotals> out;
  for (const auto& [day, totals] : days) out.push_back(totals);
  return out;
}

absl::StatusOr<std::vector<DayRevision>> FakeReportStore::ReadDayRevisions(std::string_view domain,
                                                                           DayNumber first,
                                                                           DayNumber last) {
  const uint64_t revision = version() + 1;  // all days change with any
  DMARCATE_ASSIGN_OR_RETURN(const auto totals, ReadTotals(domain, first, last));
  std::vector<DayRevision> out;
  for (const DayTotals& day : totals) out.push_back({day.day, revision, revision});
  return out;
}

absl::Status FakeReportStore::ForEachReportAfter(
    const ReportKey& key, const std::function<bool(const StoredReport&)>& visit) {
  return ForEachReport(key.domain, key.day, key.day, [&](const StoredReport& report) {
    return report.key <= key || visit(report);
  });
}

absl::StatusOr<std::vector<std::pair<std::string, DayNumber>>> FakeReportStore::ListDomains(
    std::string_view after, size_t limit) {
  std::map<std::string, DayNumber> last_days;  // keys come by day
  const State seen = Seen();
  for (const auto& [key, totals] : seen.expired) {
    if (key.first > after && totals.reports > 0) last_days[key.first] = key.second;
  }
  for (const auto& [key, report] : seen.reports) {
    if (!report.current || !IsCounted(report.trust)) continue;
    if (key.domain > after) last_days[key.domain] = std::max(last_days[key.domain], key.day);
  }
  std::vector<std::pair<std::string, DayNumber>> out(last_days.begin(), last_days.end());
  if (out.size() > limit) out.resize(limit);
  return out;
}

template <typename Stored>
std::pair<std::vector<Stored>, std::optional<ReportKey>> FakeReportStore::List(
    const std::map<ReportKey, Stored>& reports, std::string_view domain, DayNumber first,
    DayNumber last, const std::optional<ReportKey>& from, size_t limit) {
  std::pair<std::vector<Stored>, std::optional<ReportKey>> page;
  for (auto it = reports.rbegin(); it != reports.rend(); ++it) {
    const ReportKey& key = it->first;
    if (key.domain != domain || key.day < first || key.day > last || (from && key > *from)) {
      continue;
    }
    if (page.first.size() >= limit) {
      page.second = key;
      break;
    }
    page.first.push_back(WithoutRows(it->second));
  }
  return page;
}

absl::StatusOr<ReportReader::ReportPage> FakeReportStore::ListReports(
    std::string_view domain, DayNumber first, DayNumber last, const std::optional<ReportKey>& from,
    size_t limit) {
  auto [reports, next] = List(Seen().reports, domain, first, last, from, limit);
  return ReportPage{std::move(reports), std::move(next)};
}

absl::StatusOr<StoredReport> FakeReportStore::GetReport(const ReportKey& key) {
  State state = Seen();
  const auto found = state.reports.find(key);
  if (found == state.reports.end()) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("report {} of {}: unknown", key.ToId(), key.domain));
  }
  return std::move(found->second);
}

absl::StatusOr<std::vector<DayTotals>> FakeReportStore::ReadExpiredTotals(std::string_view domain,
                                                                          DayNumber first,
                                                                          DayNumber last) {
  std::vector<DayTotals> out;
  for (const auto& [key, totals] : Seen().expired) {
    if (key.first == domain && key.second >= first && key.second <= last) out.push_back(totals);
  }
  return out;
}

absl::Status FakeReportStore::VerifyTotals(std::string_view domain,
                                           const std::function<bool(const DayCheck&)>& visit) {
  const std::lock_guard lock(mutex_);
  std::map<std::pair<std::string, DayNumber>, DayTotals> days = written_.expired;
  for (const auto& [key, report] : written_.reports) {
    DayTotals& totals = days[{key.domain, key.day}];
    totals.day = key.day;
    if (report.current && IsCounted(report.trust)) AddToTotals(report.report, &totals);
  }
  for (const auto& [key, totals] : days) {
    if (!domain.empty() && key.first != domain) continue;
    if (!visit({key.first, totals, totals})) break;  // there are no others than what is counted
  }
  return absl::OkStatus();
}

absl::Status FakeReportStore::ForEachTlsReport(
    std::string_view domain, DayNumber first, DayNumber last,
    const std::function<bool(const StoredTlsReport&)>& visit) {
  for (const auto& [key, report] : Seen().tls) {
    if (key.domain != domain || key.day < first || key.day > last || !report.current) continue;
    if (!visit(report)) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<ReportReader::TlsReportPage> FakeReportStore::ListTlsReports(
    std::string_view domain, DayNumber first, DayNumber last, const std::optional<ReportKey>& from,
    size_t limit) {
  auto [reports, next] = List(Seen().tls, domain, first, last, from, limit);
  return TlsReportPage{std::move(reports), std::move(next)};
}

absl::StatusOr<StoredTlsReport> FakeReportStore::GetTlsReport(const ReportKey& key) {
  State state = Seen();
  const auto found = state.tls.find(key);
  if (found == state.tls.end()) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("TLS report {} of {}: unknown", key.ToId(), key.domain));
  }
  return std::move(found->second);
}

absl::StatusOr<ReportReader::FailureReportPage> FakeReportStore::ListFailureReports(
    std::string_view domain, DayNumber first, DayNumber last, const std::optional<ReportKey>& from,
    size_t limit) {
  auto [reports, next] = List(Seen().failures, domain, first, last, from, limit);
  return FailureReportPage{std::move(reports), std::move(next)};
}

absl::StatusOr<StoredFailureReport> FakeReportStore::GetFailureReport(const ReportKey& key) {
  State state = Seen();
  const auto found = state.failures.find(key);
  if (found == state.failures.end()) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("failure report {} of {}: unknown", key.ToId(), key.domain));
  }
  return std::move(found->second);
}

}  // namespace dmarcate
