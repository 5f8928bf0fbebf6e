// Letting go: retention of the reports store on RocksDB, in steps of bounded size. Each class is a
// synced commit of its own and finds its own work, so a kill between two costs nothing but that
// somebody calls again. What is due is looked for outside of the lock that commits wait for.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "fmt/format.h"

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/report_codec.h"
#include "lib/store/report_db.h"
#include "lib/store/report_transaction.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_report_store.h"

namespace dmarcate {
namespace {

constexpr size_t kEntriesInOneStep = 20'000;  // of the index, looked at

// A receipt that does not decode is passed by: it is listed, and can be dropped.
absl::StatusOr<std::optional<StoredReceipt>> GetProcessed(const ReportTransaction& transaction,
                                                          ReceiptId id) {
  auto stored = transaction.GetReceipt(id);
  if (absl::IsDataLoss(stored.status())) return std::nullopt;
  DMARCATE_RETURN_IF_ERROR(stored.status());
  if (*stored && !(*stored)->receipt.processed) return std::nullopt;
  return stored;
}

// How far a class has come. One that does not decode begins anew, which costs only time.
absl::StatusOr<ReceiptId> ReadCursor(const RocksDb& db, const std::string& key) {
  const auto cursor = ReadNumber(db, kMainFamily, key);
  if (!absl::IsDataLoss(cursor.status())) {
    DMARCATE_RETURN_IF_ERROR(cursor.status());
    return cursor->value_or(0);
  }
  LogError("value_unreadable", {{"error", cursor.status()}});
  return 0;
}

// The first key behind `from` that names a day of totals, or of what of them has expired.
absl::StatusOr<std::optional<std::pair<std::string, DayNumber>>> NextDay(const RocksDb& db,
                                                                         const std::string& from) {
  std::optional<std::string> first;
  const auto take = [&](std::string_view day_key) -> absl::StatusOr<bool> {
    if (!first || day_key < *first) first = day_key;
    return false;
  };
  DMARCATE_RETURN_IF_ERROR(
      db.Scan(kTotalsFamily, from, kCommitKey, Direction::kForward,
              [&](std::string_view key, std::string_view) { return take(key); }));
  DMARCATE_RETURN_IF_ERROR(
      db.Scan(kMainFamily, ExpiredDbKey(from), ExpiredDbKey(kCommitKey), Direction::kForward,
              [&](std::string_view key, std::string_view) { return take(key.substr(1)); }));
  if (!first) return std::nullopt;
  auto day = ParseDayDbKey(*first);
  if (day) return day;
  return MakeError(absl::StatusCode::kDataLoss, "totals: a key does not decode");
}

// The first day of [*from, to) that has totals or reports; `*from` goes behind it. nullopt: none.
absl::StatusOr<std::optional<DayCheck>> CheckDay(const RocksDb& db, std::string* from,
                                                 const std::string& to) {
  std::optional<std::pair<std::string, DayNumber>> day;
  const auto earlier = [&day](std::optional<std::pair<std::string, DayNumber>> found) {
    if (found &&
        (!day || DayDbKey(found->first, found->second) < DayDbKey(day->first, day->second))) {
      day = std::move(found);
    }
  };
  const auto from_totals = [&](std::string_view key, std::string_view) -> absl::StatusOr<bool> {
    earlier(ParseDayDbKey(key));
    return false;
  };
  const auto from_reports = [&](std::string_view key, std::string_view) -> absl::StatusOr<bool> {
    if (auto report = ParseReportDbKey(key)) {
      earlier(std::pair(std::move(report->domain), report->day));
    }
    return false;
  };
  DMARCATE_RETURN_IF_ERROR(db.Scan(kTotalsFamily, *from, to, Direction::kForward, from_totals));
  DMARCATE_RETURN_IF_ERROR(db.Scan(kReportsFamily, *from, to, Direction::kForward, from_reports));
  if (!day) return std::nullopt;
  const std::string day_key = DayDbKey(day->first, day->second);
  *from = KeyAfterPrefix(day_key);
  DayCheck check;
  check.domain = day->first;
  DMARCATE_ASSIGN_OR_RETURN(const auto total, db.Get(kTotalsFamily, day_key));
  if (total) {
    DMARCATE_ASSIGN_OR_RETURN(check.total, DecodeTotals(day_key, *total));
  }
  const std::string expired_key = ExpiredDbKey(day_key);
  DMARCATE_ASSIGN_OR_RETURN(const auto expired, db.Get(kMainFamily, expired_key));
  if (expired) {
    DMARCATE_ASSIGN_OR_RETURN(check.recount, DecodeExpiredTotals(expired_key, *expired));
  }
  check.total.day = check.recount.day = day->second;
  StoredReport report;
  const auto add = [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
    DMARCATE_RETURN_IF_ERROR(DecodeReport(key, value, ReportParts::kAll, &report));
    if (report.current && IsCounted(report.trust)) AddToTotals(report.report, &check.recount);
    return true;
  };
  DMARCATE_RETURN_IF_ERROR(db.Scan(kReportsFamily, day_key, *from, Direction::kForward, add));
  return check;
}

}  // namespace

absl::Status RocksReportWriter::EditEach(PurgeMode mode, const Steps& steps) {
  absl::flat_hash_set<size_t> passed_by;
  while (true) {
    size_t at = 0;
    const absl::Status edited = Edit(mode, [&](ReportTransaction& transaction) -> absl::Status {
      steps.begin();
      for (at = 0; at < steps.count; ++at) {
        if (passed_by.contains(at)) continue;
        DMARCATE_RETURN_IF_ERROR(steps.one(transaction, at));
      }
      if (steps.end) steps.end(transaction);
      return absl::OkStatus();
    });
    if (!absl::IsDataLoss(edited) || at == steps.count) return edited;
    LogError("value_unreadable", {{"error", edited}});
    passed_by.insert(at);
  }
}

absl::StatusOr<ExpiryResult> RocksReportWriter::Expire(const ExpiryCutoffs& cutoffs, size_t limit) {
  const std::lock_guard lock(expiry_mutex_);
  ExpiryResult result;
  for (const ExpiryClass& each : ExpiryClasses()) {
    DMARCATE_RETURN_IF_ERROR(ExpireReceipts(each, cutoffs.*each.cutoff, limit, &result));
  }
  DMARCATE_RETURN_IF_ERROR(ExpireMarked(kLateTag, cutoffs.failure, cutoffs.raw, limit, &result));
  DMARCATE_RETURN_IF_ERROR(
      ExpireMarked(kUnreadableTag, cutoffs.quarantine, cutoffs.raw, limit, &result));
  DMARCATE_RETURN_IF_ERROR(ExpireTotals(cutoffs.totals, limit, &result));
  return result;
}

absl::Status RocksReportWriter::ExpireReceipts(const ExpiryClass& expiry, absl::Time cutoff,
                                               size_t limit, ExpiryResult* result) {
  if (cutoff == absl::InfinitePast()) return absl::OkStatus();
  const std::string cursor_key = ExpiryCursorKey(expiry.name);
  DMARCATE_ASSIGN_OR_RETURN(const ReceiptId passed, ReadCursor(*db_, cursor_key));
  std::vector<ReceiptId> ids;
  const auto look = [&](ReceiptId id) -> absl::StatusOr<bool> {
    if (ids.size() == limit) {
      result->more = true;
      return false;
    }
    const auto stored = ReadReceipt(*db_, id);
    if (!absl::IsDataLoss(stored.status())) {  // what does not decode is passed by
      DMARCATE_RETURN_IF_ERROR(stored.status());
      if (*stored &&
          (!(*stored)->receipt.processed || (*stored)->receipt.received_time >= cutoff)) {
        return false;
      }
    }
    ids.push_back(id);
    return true;
  };
  DMARCATE_RETURN_IF_ERROR(
      ScanReceipts(*db_, kReceiptTag, passed + 1, 0, Direction::kForward, look));
  if (ids.empty()) return absl::OkStatus();
  return EditEach(
      PurgeMode::kRemove,
      {.count = ids.size(),
       .begin = [&, before = *result] { *result = before; },
       .one = [&](ReportTransaction& transaction, size_t at) -> absl::Status {
         DMARCATE_ASSIGN_OR_RETURN(auto stored, GetProcessed(transaction, ids[at]));
         if (!stored) return absl::OkStatus();
         return (transaction.*expiry.expire)(*std::move(stored), result);
       },
       .end =
           [&](ReportTransaction& transaction) { transaction.SetNumber(cursor_key, ids.back()); }});
}

absl::Status RocksReportWriter::ExpireMarked(char tag, absl::Time cutoff, absl::Time raw_cutoff,
                                             size_t limit, ExpiryResult* result) {
  std::vector<ReceiptId> ids;
  const auto look = [&](ReceiptId id) -> absl::StatusOr<bool> {
    if (ids.size() == limit) return false;
    const auto stored = ReadReceipt(*db_, id);
    if (absl::IsDataLoss(stored.status())) return true;
    DMARCATE_RETURN_IF_ERROR(stored.status());
    if (!*stored || !(*stored)->receipt.processed) return true;
    if ((*stored)->receipt.received_time >= cutoff) return false;
    ids.push_back(id);
    return true;
  };
  DMARCATE_RETURN_IF_ERROR(ScanReceipts(*db_, tag, 0, 0, Direction::kForward, look));
  if (ids.empty()) return absl::OkStatus();
  size_t done = 0;
  DMARCATE_RETURN_IF_ERROR(EditEach(
      PurgeMode::kRemove, {.count = ids.size(),
                           .begin =
                               [&, before = *result] {
                                 *result = before;
                                 done = 0;
                               },
                           .one = [&](ReportTransaction& transaction, size_t at) -> absl::Status {
                             ++done;
                             if (tag == kUnreadableTag) {
                               return transaction.ExpireQuarantined(ids[at], raw_cutoff, result);
                             }
                             return transaction.ExpireLate(ids[at], result);
                           }}));
  if (ids.size() == limit && done > 0) result->more = true;  // those that went are not found again
  return absl::OkStatus();
}

// Days before `before` without reports, from domain to domain; then what the index knows of them.
absl::Status RocksReportWriter::ExpireTotals(DayNumber before, size_t limit, ExpiryResult* result) {
  if (before <= 0) return absl::OkStatus();
  DMARCATE_ASSIGN_OR_RETURN(const auto from, ReadNumber(*db_, kMainFamily, kTotalsFromKey));
  const bool later = from.value_or(0) < static_cast<uint64_t>(before);
  std::vector<std::pair<std::string, DayNumber>> days;
  std::string next(1, '\0');
  while (days.size() < limit) {
    DMARCATE_ASSIGN_OR_RETURN(auto day, NextDay(*db_, next));
    if (!day) break;
    if (day->second >= before) {
      next = KeyAfterPrefix(DomainDbKey(day->first));
      continue;
    }
    next = KeyAfterPrefix(DayDbKey(day->first, day->second));
    DMARCATE_ASSIGN_OR_RETURN(const bool reports, HasReports(*db_, day->first, day->second));
    if (!reports) days.push_back(*std::move(day));
  }
  if (days.size() == limit) result->more = true;
  if (!days.empty() || later) {
    DMARCATE_RETURN_IF_ERROR(
        EditEach(PurgeMode::kRemove,
                 {.count = days.size(),
                  .begin = [&, unchanged = *result] { *result = unchanged; },
                  .one =
                      [&](ReportTransaction& transaction, size_t at) {
                        return transaction.ExpireDay(days[at].first, days[at].second, result);
                      },
                  .end =
                      [&](ReportTransaction& transaction) {
                        if (later)
                          transaction.SetNumber(kTotalsFromKey, static_cast<uint64_t>(before));
                      }}));
  }
  if (!days.empty()) next_entry_ = kFirstEntry;
  return days.size() == limit ? absl::OkStatus() : ExpireEntries(before, result);
}

absl::Status RocksReportWriter::ExpireEntries(DayNumber before, ExpiryResult* result) {
  if (next_entry_.empty()) return absl::OkStatus();
  std::vector<std::string> keys;
  std::string next;
  size_t looks = 0;
  const auto look = [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
    if (looks++ == kEntriesInOneStep) {
      next = key;
      return false;
    }
    if (!IsIndexOfReports(key)) return true;
    const auto ref = DecodeRef(key, value);
    if (ref.ok() && ref->day < before) keys.emplace_back(key);
    return true;
  };
  DMARCATE_RETURN_IF_ERROR(
      db_->Scan(kIndexFamily, next_entry_, kCommitKey, Direction::kForward, look));
  DMARCATE_RETURN_IF_ERROR(EditEach(
      PurgeMode::kRemove, {.count = keys.size(),
                           .begin = [] {},
                           .one = [&](ReportTransaction& transaction,
                                      size_t at) { return transaction.ForgetEntry(keys[at]); }}));
  next_entry_ = std::move(next);
  if (!next_entry_.empty()) result->more = true;
  return absl::OkStatus();
}

absl::Status RocksReportWriter::VerifyTotals(std::string_view domain,
                                             const std::function<bool(const DayCheck&)>& visit) {
  std::string next = domain.empty() ? std::string(1, '\0') : DomainDbKey(domain);
  const std::string end = domain.empty() ? std::string(1, '\xff') : KeyAfterPrefix(next);
  while (true) {
    std::optional<DayCheck> check;
    {
      const std::lock_guard lock(commit_mutex_);  // no commit between the two numbers
      DMARCATE_ASSIGN_OR_RETURN(check, CheckDay(*db_, &next, end));
    }
    if (!check || !visit(*check)) return absl::OkStatus();
  }
}

}  // namespace dmarcate
