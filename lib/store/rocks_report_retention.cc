// Letting go: retention and purge of the reports store on RocksDB, in steps of bounded size. Each
// step is one synced commit and finds its own work, so a kill between two costs nothing but that
// somebody calls again.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "fmt/format.h"

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/store/failure_codec.h"
#include "lib/store/key_codec.h"
#include "lib/store/report_codec.h"
#include "lib/store/report_db.h"
#include "lib/store/report_transaction.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_report_store.h"

namespace dmarcate {
namespace {

constexpr size_t kReceiptsInOneStep = 256;
constexpr size_t kReportsInOneStep = 32;  // rewritten as a whole
constexpr size_t kKeysInOneStep = 1000;

// A receipt that does not decode is passed by: it is listed, and can be dropped.
absl::StatusOr<std::optional<StoredReceipt>> GetProcessed(const ReportTransaction& transaction,
                                                          ReceiptId id) {
  auto stored = transaction.GetReceipt(id);
  if (absl::IsDataLoss(stored.status())) return std::nullopt;
  DMARCATE_RETURN_IF_ERROR(stored.status());
  if (*stored && !(*stored)->receipt.processed) return std::nullopt;
  return stored;
}

absl::Status ExpireReceipts(const RocksDb& db, const ExpiryClass& expiry, absl::Time cutoff,
                            size_t limit, ReportTransaction& transaction, ExpiryResult* result) {
  if (cutoff == absl::InfinitePast()) return absl::OkStatus();
  const std::string cursor_key = ExpiryCursorKey(expiry.name);
  DMARCATE_ASSIGN_OR_RETURN(const auto cursor, ReadNumber(db, kMainFamily, cursor_key));
  const ReceiptId passed = cursor.value_or(0);
  ReceiptId last = passed;
  size_t seen = 0;
  const auto visit = [&](ReceiptId id) -> absl::StatusOr<bool> {
    if (seen == limit) {
      result->more = true;
      return false;
    }
    auto stored = transaction.GetReceipt(id);
    if (!absl::IsDataLoss(stored.status())) {  // what does not decode is passed by
      DMARCATE_RETURN_IF_ERROR(stored.status());
      if (*stored &&
          (!(*stored)->receipt.processed || (*stored)->receipt.received_time >= cutoff)) {
        return false;
      }
      if (*stored) {
        DMARCATE_RETURN_IF_ERROR((transaction.*expiry.expire)(**std::move(stored), result));
      }
    }
    ++seen;
    last = id;
    return true;
  };
  DMARCATE_RETURN_IF_ERROR(
      ScanReceipts(db, kReceiptTag, passed + 1, 0, Direction::kForward, visit));
  if (last != passed) transaction.SetNumber(cursor_key, last);
  return absl::OkStatus();
}

absl::Status ExpireQuarantine(const RocksDb& db, const ExpiryCutoffs& cutoffs, size_t limit,
                              ReportTransaction& transaction, ExpiryResult* result) {
  size_t seen = 0;
  const auto visit = [&](ReceiptId id) -> absl::StatusOr<bool> {
    if (seen == limit) {
      result->more = true;
      return false;
    }
    DMARCATE_ASSIGN_OR_RETURN(const auto stored, GetProcessed(transaction, id));
    if (!stored) return true;
    if (stored->receipt.received_time >= cutoffs.quarantine) return false;
    ++seen;
    DMARCATE_RETURN_IF_ERROR(transaction.ExpireQuarantined(id, cutoffs.raw, result));
    return true;
  };
  return ScanReceipts(db, kUnreadableTag, 0, 0, Direction::kForward, visit);
}

// Looks at each one: there are few, because they are kept for a short time.
absl::Status ExpireFailureReports(const RocksDb& db, absl::Time cutoff, size_t limit,
                                  ReportTransaction& transaction, ExpiryResult* result) {
  if (cutoff == absl::InfinitePast()) return absl::OkStatus();
  std::vector<ReportKey> keys;
  const auto look = [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
    DMARCATE_ASSIGN_OR_RETURN(StoredFailureReport stored, DecodeFailureReport(key, value));
    if (stored.received_time >= cutoff) return true;
    if (keys.size() == limit) {
      result->more = true;
      return false;
    }
    keys.push_back(std::move(stored.key));
    return true;
  };
  DMARCATE_RETURN_IF_ERROR(db.Scan(kFailuresFamily, std::string(1, '\0'), std::string(1, '\xff'),
                                   Direction::kForward, look));
  for (const ReportKey& key : keys) {
    DMARCATE_RETURN_IF_ERROR(transaction.ExpireFailureReport(key, result));
  }
  return absl::OkStatus();
}

// Days before `before` without reports, from domain to domain.
absl::Status ExpireTotals(const RocksDb& db, DayNumber before, size_t limit,
                          ReportTransaction& transaction, ExpiryResult* result) {
  if (before <= 0) return absl::OkStatus();
  DMARCATE_ASSIGN_OR_RETURN(const auto from, ReadNumber(db, kMainFamily, kTotalsFromKey));
  if (from.value_or(0) < static_cast<uint64_t>(before)) {
    transaction.SetNumber(kTotalsFromKey, static_cast<uint64_t>(before));
  }
  std::string next(1, '\0');
  const std::string end(1, '\xff');
  size_t seen = 0;
  while (true) {
    std::optional<std::pair<std::string, DayNumber>> first;
    const auto find = [&](std::string_view key, std::string_view) -> absl::StatusOr<bool> {
      first = ParseDayDbKey(key);
      if (first) return false;
      return MakeError(absl::StatusCode::kDataLoss, "totals: a key does not decode");
    };
    DMARCATE_RETURN_IF_ERROR(db.Scan(kTotalsFamily, next, end, Direction::kForward, find));
    if (!first) return absl::OkStatus();
    if (first->second >= before) {
      next = KeyAfterPrefix(DomainDbKey(first->first));
      continue;
    }
    const std::string day_key = DayDbKey(first->first, first->second);
    next = KeyAfterPrefix(day_key);
    bool reports = false;
    const auto look = [&reports](std::string_view, std::string_view) -> absl::StatusOr<bool> {
      reports = true;
      return false;
    };
    DMARCATE_RETURN_IF_ERROR(db.Scan(kReportsFamily, day_key, next, Direction::kForward, look));
    if (reports) continue;
    if (seen++ == limit) {
      result->more = true;
      return absl::OkStatus();
    }
    transaction.ForgetDay(first->first, first->second);
    ++result->days;
  }
}

// At most `limit` keys of [from, to), and where to go on; empty: it was all.
absl::Status TakeKeys(const RocksDb& db, int family, std::string* from, const std::string& to,
                      size_t limit, std::vector<std::string>* keys) {
  std::string next;
  DMARCATE_RETURN_IF_ERROR(
      db.Scan(family, *from, to, Direction::kForward,
              [&](std::string_view key, std::string_view) -> absl::StatusOr<bool> {
                if (keys->size() == limit) {
                  next = key;
                  return false;
                }
                keys->emplace_back(key);
                return true;
              }));
  *from = std::move(next);
  return absl::OkStatus();
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

std::string NameOf(std::string_view domain, std::string_view id) {
  return fmt::format("{}/{}", domain, id);
}

}  // namespace

absl::StatusOr<ExpiryResult> RocksReportWriter::Expire(const ExpiryCutoffs& cutoffs, size_t limit) {
  ExpiryResult result;
  const absl::Status edited = Edit(PurgeMode::kRemove, [&](ReportTransaction& transaction) {
    for (const ExpiryClass& each : ExpiryClasses()) {
      DMARCATE_RETURN_IF_ERROR(
          ExpireReceipts(*db_, each, cutoffs.*each.cutoff, limit, transaction, &result));
    }
    DMARCATE_RETURN_IF_ERROR(
        ExpireFailureReports(*db_, cutoffs.failure, limit, transaction, &result));
    DMARCATE_RETURN_IF_ERROR(ExpireQuarantine(*db_, cutoffs, limit, transaction, &result));
    return ExpireTotals(*db_, cutoffs.totals, limit, transaction, &result);
  });
  DMARCATE_RETURN_IF_ERROR(edited);
  return result;
}

absl::StatusOr<PurgeResult> RocksReportWriter::Purge(
    const PurgeTarget& target, PurgeMode mode,
    const std::function<bool(const PurgeResult&)>& progress) {
  if (target.domain.empty() == !target.address.has_value()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "purge: want a domain or an address");
  }
  PurgeResult result;
  absl::Status status = target.address ? PurgeAddress(*target.address, mode, progress, &result)
                                       : PurgeDomain(target.domain, mode, progress, &result);
  if (absl::IsCancelled(status)) status = absl::OkStatus();  // by `progress`
  DMARCATE_RETURN_IF_ERROR(status);
  return result;
}

absl::Status RocksReportWriter::PurgeReceipts(
    PurgeMode mode, const std::function<bool(const PurgeResult&)>& progress, PurgeResult* result,
    const std::function<absl::Status(ReportTransaction&, StoredReceipt)>& purge) {
  std::string from = ReceiptDbKey(kReceiptTag, 0);
  const std::string to = KeyAfterPrefix(std::string(1, kReceiptTag));
  while (!from.empty()) {
    const absl::Status edited = Edit(mode, [&](ReportTransaction& transaction) -> absl::Status {
      std::vector<std::string> keys;
      DMARCATE_RETURN_IF_ERROR(TakeKeys(*db_, kMainFamily, &from, to, kReceiptsInOneStep, &keys));
      for (const std::string& key : keys) {
        ++result->scanned;
        DMARCATE_ASSIGN_OR_RETURN(
            auto stored,
            GetProcessed(transaction, ParseReceiptDbKey(kReceiptTag, key).value_or(0)));
        if (stored) DMARCATE_RETURN_IF_ERROR(purge(transaction, *std::move(stored)));
      }
      return absl::OkStatus();
    });
    DMARCATE_RETURN_IF_ERROR(edited);
    if (!progress(*result)) return absl::CancelledError();
  }
  return absl::OkStatus();
}

absl::Status RocksReportWriter::PurgeDomain(const std::string& domain, PurgeMode mode,
                                            const std::function<bool(const PurgeResult&)>& progress,
                                            PurgeResult* result) {
  DMARCATE_RETURN_IF_ERROR(PurgeReceipts(
      mode, progress, result, [&](ReportTransaction& transaction, StoredReceipt stored) {
        return transaction.PurgeReceipt(std::move(stored), domain, result);
      }));
  if (mode == PurgeMode::kCount) return absl::OkStatus();
  // What no receipt names any more: reports of receipts that do not decode; totals whose rows have
  // expired; documents of those.
  const std::string prefix = DomainDbKey(domain);
  const auto sweep = [&](int family, std::string from, const std::string& to, size_t limit,
                         const std::function<absl::Status(ReportTransaction&, std::string)>& purge)
      -> absl::Status {
    while (!from.empty()) {
      const absl::Status edited = Edit(mode, [&](ReportTransaction& transaction) -> absl::Status {
        std::vector<std::string> keys;
        DMARCATE_RETURN_IF_ERROR(TakeKeys(*db_, family, &from, to, limit, &keys));
        for (std::string& key : keys) {
          DMARCATE_RETURN_IF_ERROR(purge(transaction, std::move(key)));
        }
        return absl::OkStatus();
      });
      DMARCATE_RETURN_IF_ERROR(edited);
      if (!progress(*result)) return absl::CancelledError();
    }
    return absl::OkStatus();
  };
  using PurgeOne = absl::Status (ReportTransaction::*)(const ReportKey&, PurgeResult*);
  const std::pair<int, PurgeOne> kinds[] = {{kReportsFamily, &ReportTransaction::PurgeReport},
                                            {kTlsFamily, &ReportTransaction::PurgeTls},
                                            {kFailuresFamily, &ReportTransaction::PurgeFailure}};
  for (const auto& [family, purge] : kinds) {
    DMARCATE_RETURN_IF_ERROR(sweep(family, prefix, KeyAfterPrefix(prefix), kReportsInOneStep,
                                   [&](ReportTransaction& transaction, const std::string& key) {
                                     const auto report = ParseReportDbKey(key);
                                     return report ? (transaction.*purge)(*report, result)
                                                   : absl::OkStatus();
                                   }));
  }
  DMARCATE_RETURN_IF_ERROR(sweep(kTotalsFamily, prefix, KeyAfterPrefix(prefix), kKeysInOneStep,
                                 [&](ReportTransaction& transaction, const std::string& key) {
                                   if (const auto day = ParseDayDbKey(key)) {
                                     transaction.ForgetDay(day->first, day->second);
                                   }
                                   return absl::OkStatus();
                                 }));
  const std::string expired = ExpiredDbKey(prefix);
  DMARCATE_RETURN_IF_ERROR(sweep(kMainFamily, expired, KeyAfterPrefix(expired), kKeysInOneStep,
                                 [](ReportTransaction& transaction, std::string key) {
                                   transaction.ForgetKey(kMainFamily, std::move(key));
                                   return absl::OkStatus();
                                 }));
  return sweep(kIndexFamily, "d", "e", kKeysInOneStep,
               [&](ReportTransaction& transaction, std::string key) -> absl::Status {
                 DMARCATE_ASSIGN_OR_RETURN(const auto value, db_->Get(kIndexFamily, key));
                 if (!value) return absl::OkStatus();
                 const auto ref = DecodeRef(key, *value);
                 if (ref.ok() && ref->domain == domain) {
                   transaction.ForgetKey(kIndexFamily, std::move(key));
                 }
                 return absl::OkStatus();
               });
}

// First the messages that have the address in their bytes, then the reports: as long as a report
// still has it, a purge that begins anew finds its messages, too.
absl::Status RocksReportWriter::PurgeAddress(
    const IpAddress& address, PurgeMode mode,
    const std::function<bool(const PurgeResult&)>& progress, PurgeResult* result) {
  std::vector<ReportKey> keys, failures;
  absl::flat_hash_set<std::string> names;
  StoredReport report;
  bool stopped = false;
  const auto go_on = [&] {
    stopped =
        ++result->scanned % static_cast<int64_t>(kReceiptsInOneStep) == 0 && !progress(*result);
    return !stopped;
  };
  const auto find = [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
    DMARCATE_RETURN_IF_ERROR(DecodeReport(key, value, ReportParts::kAll, &report));
    const auto has = [&](const AggregateRecord& record) { return record.source_ip == address; };
    if (std::ranges::any_of(report.report.records, has)) {
      keys.push_back(report.key);
      names.insert(NameOf(report.key.domain, report.key.ToId()));
    }
    return go_on();
  };
  const auto find_failure = [&](std::string_view key,
                                std::string_view value) -> absl::StatusOr<bool> {
    DMARCATE_ASSIGN_OR_RETURN(const StoredFailureReport stored, DecodeFailureReport(key, value));
    if (IsFrom(stored, address)) {
      failures.push_back(stored.key);
      names.insert(NameOf(stored.key.domain, stored.key.ToId()));
    }
    return go_on();
  };
  DMARCATE_RETURN_IF_ERROR(
      db_->Scan(kReportsFamily, std::string(1, '\0'), kCommitKey, Direction::kForward, find));
  if (!stopped) {
    DMARCATE_RETURN_IF_ERROR(db_->Scan(kFailuresFamily, std::string(1, '\0'),
                                       std::string(1, '\xff'), Direction::kForward, find_failure));
  }
  if (stopped) return absl::CancelledError();
  if (names.empty()) return absl::OkStatus();
  DMARCATE_RETURN_IF_ERROR(PurgeReceipts(
      mode, progress, result, [&](ReportTransaction& transaction, const StoredReceipt& stored) {
        const auto names_one = [&](const ReceiptItem& item) {
          return names.contains(NameOf(item.domain, item.report_name));
        };
        return std::ranges::any_of(stored.items, names_one)
                   ? transaction.PurgeRaw(stored.receipt.id, result)
                   : absl::OkStatus();
      }));
  for (size_t at = 0; at < failures.size(); at += kKeysInOneStep) {
    const absl::Status edited = Edit(mode, [&](ReportTransaction& transaction) -> absl::Status {
      for (size_t i = at; i < std::min(at + kKeysInOneStep, failures.size()); ++i) {
        DMARCATE_RETURN_IF_ERROR(transaction.PurgeFailure(failures[i], result));
      }
      return absl::OkStatus();
    });
    DMARCATE_RETURN_IF_ERROR(edited);
    if (!progress(*result)) return absl::CancelledError();
  }
  for (size_t at = 0; at < keys.size(); at += kReportsInOneStep) {
    const absl::Status edited = Edit(mode, [&](ReportTransaction& transaction) -> absl::Status {
      for (size_t i = at; i < std::min(at + kReportsInOneStep, keys.size()); ++i) {
        DMARCATE_RETURN_IF_ERROR(transaction.PurgeAddress(keys[i], address, result));
      }
      return absl::OkStatus();
    });
    DMARCATE_RETURN_IF_ERROR(edited);
    if (!progress(*result)) return absl::CancelledError();
  }
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
