#include <algorithm>
#include <chrono>
#include <map>
#include <thread>
#include <utility>

#include "absl/time/clock.h"

#include "lib/base/clock.h"
#include "lib/base/status_macros.h"
#include "lib/store/day_range.h"
#include "lib/store/key_codec.h"
#include "lib/store/opening_mark.h"
#include "lib/store/report_codec.h"
#include "lib/store/report_db.h"
#include "lib/store/report_rules.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_report_store.h"
#include "lib/store/value_codec.h"

namespace dmarcate {
namespace {

constexpr auto kRetry = std::chrono::milliseconds(50);
constexpr int kSequenceBits = 56;  // RocksDB's own limit

// kUnavailable: the primary is not there yet, or not complete.
absl::StatusOr<std::shared_ptr<RocksDb>> TryFollow(const std::string& primary,
                                                   const std::string& directory) {
  DMARCATE_ASSIGN_OR_RETURN(auto db, RocksDb::Follow(primary, directory, ReportFamilies()));
  DMARCATE_ASSIGN_OR_RETURN(const auto layout, ReadNumber(*db, kMainFamily, kFormatKey));
  if (!layout) return MakeError(absl::StatusCode::kUnavailable, primary + ": no layout yet");
  DMARCATE_RETURN_IF_ERROR(Annotate(CheckLayout(layout), primary));
  DMARCATE_RETURN_IF_ERROR(ReadCommit(*db).status());
  return std::shared_ptr<RocksDb>(std::move(db));
}

}  // namespace

RocksReportReader::RocksReportReader(std::string primary, std::string directory, std::string mark,
                                     std::shared_ptr<RocksDb> db)
    : primary_(std::move(primary)),
      directory_(std::move(directory)),
      mark_(std::move(mark)),
      db_(std::move(db)) {
  version_ = opened_ << kSequenceBits | db_->Sequence();
}
RocksReportReader::~RocksReportReader() = default;

absl::StatusOr<std::unique_ptr<RocksReportReader>> RocksReportReader::Follow(
    std::string primary, std::string directory, absl::Duration timeout) {
  const SystemClock clock;
  const absl::Duration deadline = clock.Monotonic() + timeout;
  while (true) {
    // The mark first: if the writer opens the store in between, the next CatchUp() sees another.
    DMARCATE_ASSIGN_OR_RETURN(std::string mark, ReadOpeningMark(primary));
    auto db = TryFollow(primary, directory);
    if (db.ok()) {
      return std::unique_ptr<RocksReportReader>(new RocksReportReader(
          std::move(primary), std::move(directory), std::move(mark), *std::move(db)));
    }
    if (!absl::IsUnavailable(db.status())) return db.status();
    if (clock.Monotonic() >= deadline) {
      return MakeError(absl::StatusCode::kDeadlineExceeded,
                       fmt::format("reports store: {}", MessageOf(db.status())));
    }
    std::this_thread::sleep_for(kRetry);
  }
}

absl::StatusOr<std::shared_ptr<const RocksDb>> RocksReportReader::db() const {
  const std::lock_guard lock(db_mutex_);
  if (!broken_.ok()) return broken_;
  return std::shared_ptr<const RocksDb>(db_);
}

absl::Status RocksReportReader::CatchUp() {
  const std::lock_guard lock(catch_up_mutex_);
  const absl::Status status = CatchUpOrBeginAnew();
  if (status.ok()) version_ = opened_ << kSequenceBits | db_->Sequence();
  const std::lock_guard db_lock(db_mutex_);
  broken_ = status;
  return status;
}

absl::Status RocksReportReader::CatchUpOrBeginAnew() {
  DMARCATE_ASSIGN_OR_RETURN(std::string mark, ReadOpeningMark(primary_));
  if (mark == mark_) {
    absl::Status status = db_->CatchUp();
    if (status.ok()) status = ReadCommit(*db_).status();
    if (status.ok()) return status;
  }
  // The writer has restarted; or the primary was restored, or deleted what was just to be read.
  auto again = TryFollow(primary_, directory_);
  if (!again.ok()) return Annotate(again.status(), "cannot follow");
  mark_ = std::move(mark);
  ++opened_;
  const std::lock_guard lock(db_mutex_);
  db_ = *std::move(again);
  return absl::OkStatus();
}

absl::Status RocksReportReader::ForEachReport(
    std::string_view domain, DayNumber first, DayNumber last,
    const std::function<bool(const StoredReport&)>& visit) {
  if (first > last) return absl::OkStatus();
  const DayKeyRange range(domain, first, last);
  StoredReport report;
  DMARCATE_ASSIGN_OR_RETURN(const auto db, this->db());
  return db->Scan(kReportsFamily, range.from, range.to, Direction::kForward,
                  [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
                    DMARCATE_RETURN_IF_ERROR(DecodeReport(key, value, ReportParts::kAll, &report));
                    return !report.current || visit(report);
                  });
}

absl::StatusOr<std::vector<DayTotals>> RocksReportReader::ReadTotals(std::string_view domain,
                                                                     DayNumber first,
                                                                     DayNumber last) {
  std::vector<DayTotals> out;
  if (first > last) return out;
  const DayKeyRange range(domain, first, last);
  DMARCATE_ASSIGN_OR_RETURN(const auto db, this->db());
  DMARCATE_RETURN_IF_ERROR(
      db->Scan(kTotalsFamily, range.from, range.to, Direction::kForward,
               [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
                 DMARCATE_ASSIGN_OR_RETURN(DayTotals totals, DecodeTotals(key, value));
                 out.push_back(totals);
                 return true;
               }));
  return out;
}

absl::StatusOr<std::vector<DayTotals>> RocksReportReader::ReadExpiredTotals(std::string_view domain,
                                                                            DayNumber first,
                                                                            DayNumber last) {
  std::vector<DayTotals> out;
  if (first > last) return out;
  const DayKeyRange range(domain, first, last);
  DMARCATE_ASSIGN_OR_RETURN(const auto db, this->db());
  DMARCATE_RETURN_IF_ERROR(
      db->Scan(kMainFamily, ExpiredDbKey(range.from), ExpiredDbKey(range.to), Direction::kForward,
               [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
                 DMARCATE_ASSIGN_OR_RETURN(DayTotals totals, DecodeExpiredTotals(key, value));
                 out.push_back(totals);
                 return true;
               }));
  return out;
}

absl::StatusOr<std::vector<DayRevision>> RocksReportReader::ReadDayRevisions(
    std::string_view domain, DayNumber first, DayNumber last) {
  std::vector<DayRevision> out;
  if (first > last) return out;
  // Numbers of commits may come again when the store is replaced. Before the database: a number
  // that is too old makes its caller read once more.
  const uint64_t opened = version_ >> kSequenceBits << kSequenceBits;
  const DayKeyRange range(domain, first, last);
  DMARCATE_ASSIGN_OR_RETURN(const auto db, this->db());
  const auto take = [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
    const auto day = ParseDayDbKey(key.substr(1, key.size() - 2));
    if (!day) {
      return MakeError(absl::StatusCode::kDataLoss, "days of reports: a key does not decode");
    }
    DMARCATE_ASSIGN_OR_RETURN(const uint64_t commit, DecodeNumber(key, value));
    if (out.empty() || out.back().day != day->second) out.push_back({day->second, 0, opened});
    out.back().revision = std::max(out.back().revision, opened | commit);
    if (key.back() == static_cast<char>(DayChange::kRewritten)) {
      out.back().rewritten = opened | commit;
    }
    return true;
  };
  DMARCATE_RETURN_IF_ERROR(db->Scan(kMainFamily, DayRevisionPrefix(range.from),
                                    DayRevisionPrefix(range.to), Direction::kForward, take));
  return out;
}

absl::Status RocksReportReader::ForEachReportAfter(
    const ReportKey& key, const std::function<bool(const StoredReport&)>& visit) {
  const DayKeyRange range(key.domain, key.day, key.day);
  StoredReport report;
  DMARCATE_ASSIGN_OR_RETURN(const auto db, this->db());
  return db->Scan(kReportsFamily, ReportDbKey(key) + '\0', range.to, Direction::kForward,
                  [&](std::string_view at, std::string_view value) -> absl::StatusOr<bool> {
                    DMARCATE_RETURN_IF_ERROR(DecodeReport(at, value, ReportParts::kAll, &report));
                    return !report.current || visit(report);
                  });
}

absl::StatusOr<int64_t> RocksReportReader::CountPending(int64_t limit) {
  DMARCATE_ASSIGN_OR_RETURN(const auto db, this->db());
  int64_t count = 0;
  const auto take = [&](ReceiptId) -> absl::StatusOr<bool> { return ++count < limit; };
  DMARCATE_RETURN_IF_ERROR(ScanReceipts(*db, kPendingTag, 0, 0, Direction::kForward, take));
  return count;
}

absl::StatusOr<std::vector<std::pair<std::string, DayNumber>>> RocksReportReader::ListDomains(
    std::string_view after, size_t limit) {
  // Totals are the smallest thing that each domain has, one a day: from domain to domain, each time
  // the last day.
  DMARCATE_ASSIGN_OR_RETURN(const auto db, this->db());
  std::vector<std::pair<std::string, DayNumber>> out;
  std::string from = after.empty() ? std::string(1, '\0') : KeyAfterPrefix(DomainDbKey(after));
  const std::string end(1, '\xff');  // no UTF-8 begins with it
  std::optional<std::pair<std::string, DayNumber>> found;
  const auto take = [&found](std::string_view key, std::string_view) -> absl::StatusOr<bool> {
    found = ParseDayDbKey(key);
    if (found) return false;
    return MakeError(absl::StatusCode::kDataLoss, "totals: a key does not decode");
  };
  while (out.size() < limit) {
    found.reset();
    DMARCATE_RETURN_IF_ERROR(db->Scan(kTotalsFamily, from, end, Direction::kForward, take));
    if (!found) break;
    const std::string prefix = DomainDbKey(found->first);
    from = KeyAfterPrefix(prefix);
    DMARCATE_RETURN_IF_ERROR(db->Scan(kTotalsFamily, prefix, from, Direction::kBackward, take));
    out.push_back(*std::move(found));
  }
  return out;
}

absl::StatusOr<StoredReport> RocksReportReader::GetReport(const ReportKey& key) {
  DMARCATE_ASSIGN_OR_RETURN(const auto db, this->db());
  const std::string db_key = ReportDbKey(key);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db->Get(kReportsFamily, db_key));
  if (!value) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("report {} of {}: unknown", key.ToId(), key.domain));
  }
  StoredReport report;
  DMARCATE_RETURN_IF_ERROR(DecodeReport(db_key, *value, ReportParts::kAll, &report));
  return report;
}

absl::StatusOr<std::string> RocksReportReader::ReadRaw(std::string_view raw_sha256) {
  DMARCATE_ASSIGN_OR_RETURN(const auto db, this->db());
  return ReadRawBytes(*db, raw_sha256);
}

absl::StatusOr<std::string> RocksReportReader::ReadRawOf(ReceiptId receipt) {
  DMARCATE_ASSIGN_OR_RETURN(const auto db, this->db());
  DMARCATE_ASSIGN_OR_RETURN(const auto stored, ReadReceipt(*db, receipt));
  if (!stored) {
    return MakeError(absl::StatusCode::kNotFound, fmt::format("receipt {}: unknown", receipt));
  }
  return ReadRawBytes(*db, stored->receipt.raw_sha256);
}

absl::StatusOr<std::vector<DayTotals>> RecountTotals(ReportReader& reader, std::string_view domain,
                                                     DayNumber first, DayNumber last) {
  std::map<DayNumber, DayTotals> days;
  DMARCATE_ASSIGN_OR_RETURN(const auto expired, reader.ReadExpiredTotals(domain, first, last));
  for (const DayTotals& totals : expired) {
    if (totals.reports > 0) days[totals.day] = totals;
  }
  DMARCATE_RETURN_IF_ERROR(
      reader.ForEachReport(domain, first, last, [&days](const StoredReport& report) {
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

}  // namespace dmarcate
