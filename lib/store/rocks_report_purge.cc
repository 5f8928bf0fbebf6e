// Purge of the reports store on RocksDB, in steps of bounded size. Each step is one synced commit
// and finds its own work, so a kill between two costs nothing but that somebody calls again. Mail
// comes in between the steps: what a purge meets of that it takes whole or not at all.

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
constexpr size_t kLooksInOneStep = 50'000;

// At most `limit` keys of [*from, to) that are `wanted`, and where to go on; empty: it was all.
absl::Status TakeKeys(const RocksDb& db, int family, std::string* from, const std::string& to,
                      size_t limit,
                      const std::function<bool(std::string_view, std::string_view)>& wanted,
                      std::vector<std::string>* keys) {
  std::string next;
  size_t looks = 0;
  keys->clear();
  DMARCATE_RETURN_IF_ERROR(
      db.Scan(family, *from, to, Direction::kForward,
              [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
                if (keys->size() == limit || looks++ == kLooksInOneStep) {
                  next = key;
                  return false;
                }
                if (wanted(key, value)) keys->emplace_back(key);
                return true;
              }));
  *from = std::move(next);
  return absl::OkStatus();
}

bool Any(std::string_view, std::string_view) { return true; }

std::string NameOf(std::string_view domain, std::string_view id) {
  return fmt::format("{}/{}", domain, id);
}

}  // namespace

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

ReceiptId RocksReportWriter::LastReceipt() {
  const std::lock_guard lock(commit_mutex_);
  return last_receipt_;
}

// What came after the start is not looked for, so that a purge ends however much comes in.
absl::Status RocksReportWriter::PurgeReceipts(
    PurgeMode mode, const std::function<bool(const PurgeResult&)>& progress, PurgeResult* result,
    ReceiptId* first, const std::function<absl::Status(ReportTransaction&, StoredReceipt)>& purge) {
  std::string from = ReceiptDbKey(kReceiptTag, *first);
  const std::string to = ReceiptDbKey(kReceiptTag, LastReceipt() + 1);
  std::vector<std::string> keys;
  bool pending = false;  // then that one is where to go on
  while (!from.empty() && from < to) {
    DMARCATE_RETURN_IF_ERROR(
        TakeKeys(*db_, kMainFamily, &from, to, kReceiptsInOneStep, Any, &keys));
    const Steps steps{.count = keys.size(),
                      .begin = [&, before = *result] { *result = before; },
                      .one = [&](ReportTransaction& transaction, size_t at) -> absl::Status {
                        const ReceiptId id = ParseReceiptDbKey(kReceiptTag, keys[at]).value_or(0);
                        ++result->scanned;
                        auto stored = transaction.GetReceipt(id);
                        if (absl::IsDataLoss(stored.status()))
                          return absl::OkStatus();  // listed as that
                        DMARCATE_RETURN_IF_ERROR(stored.status());
                        if (!*stored) return absl::OkStatus();
                        if (!(*stored)->receipt.processed) {
                          if (!pending) *first = id;
                          pending = true;
                          return absl::OkStatus();
                        }
                        return purge(transaction, **std::move(stored));
                      }};
    DMARCATE_RETURN_IF_ERROR(EditEach(mode, steps));
    if (!pending && !keys.empty()) {
      *first = ParseReceiptDbKey(kReceiptTag, keys.back()).value_or(0) + 1;
    }
    if (!progress(*result)) return absl::CancelledError();
  }
  return absl::OkStatus();
}

absl::Status RocksReportWriter::PurgeKeys(
    int family, std::string* from, const std::string& to, size_t limit,
    const std::function<bool(std::string_view, std::string_view)>& wanted,
    const std::function<bool(const PurgeResult&)>& progress, PurgeResult* result,
    const std::function<absl::Status(ReportTransaction&, const std::string&)>& purge) {
  std::vector<std::string> keys;
  while (!from->empty()) {
    DMARCATE_RETURN_IF_ERROR(TakeKeys(*db_, family, from, to, limit, wanted, &keys));
    const Steps steps{.count = keys.size(),
                      .begin = [&, before = *result] { *result = before; },
                      .one = [&](ReportTransaction& transaction,
                                 size_t at) { return purge(transaction, keys[at]); }};
    DMARCATE_RETURN_IF_ERROR(EditEach(PurgeMode::kRemove, steps));
    if (!progress(*result)) return absl::CancelledError();
  }
  return absl::OkStatus();
}

absl::Status RocksReportWriter::PurgeDomain(const std::string& domain, PurgeMode mode,
                                            const std::function<bool(const PurgeResult&)>& progress,
                                            PurgeResult* result) {
  PurgePlace place{.domain = domain};
  if (mode == PurgeMode::kRemove) {
    const std::lock_guard lock(purge_mutex_);
    if (purge_place_ && purge_place_->domain == domain) place = *std::move(purge_place_);
    purge_place_.reset();
  }
  const ReceiptId last = LastReceipt();
  const auto purge_receipt = [&](ReportTransaction& transaction, StoredReceipt stored) {
    return transaction.PurgeReceipt(std::move(stored), domain, result);
  };
  absl::Status status = PurgeReceipts(mode, progress, result, &place.next_receipt, purge_receipt);
  if (mode == PurgeMode::kCount) return status;
  if (status.ok()) status = PurgeLeftOfDomain(domain, last, progress, result);
  if (status.ok()) status = PurgeIndexOfDomain(domain, progress, result, &place.next_entry);
  if (!status.ok()) {
    const std::lock_guard lock(purge_mutex_);
    purge_place_ = std::move(place);
  }
  return status;
}

// What the walk over the receipts did not meet: reports of receipts that do not decode, or that
// were read meanwhile; totals whose rows have expired.
absl::Status RocksReportWriter::PurgeLeftOfDomain(
    const std::string& domain, ReceiptId last,
    const std::function<bool(const PurgeResult&)>& progress, PurgeResult* result) {
  const std::string prefix = DomainDbKey(domain);
  for (const ReportFamily family : {kReportsFamily, kTlsFamily, kFailuresFamily}) {
    const auto before = [last](std::string_view key, std::string_view) {
      const auto report = ParseReportDbKey(key);
      return report && report->receipt <= last;
    };
    std::string from = prefix;
    DMARCATE_RETURN_IF_ERROR(
        PurgeKeys(family, &from, KeyAfterPrefix(prefix), kReportsInOneStep, before, progress,
                  result, [&](ReportTransaction& transaction, const std::string& key) {
                    return transaction.PurgeStored(family, *ParseReportDbKey(key), result);
                  }));
  }
  std::string from = prefix;
  DMARCATE_RETURN_IF_ERROR(PurgeKeys(kTotalsFamily, &from, KeyAfterPrefix(prefix), kKeysInOneStep,
                                     Any, progress, result,
                                     [](ReportTransaction& transaction, std::string_view key) {
                                       const auto day = ParseDayDbKey(key);
                                       if (day) transaction.ForgetDay(day->first, day->second);
                                       return absl::OkStatus();
                                     }));
  const std::string expired = ExpiredDbKey(prefix);
  from = expired;
  DMARCATE_RETURN_IF_ERROR(PurgeKeys(kMainFamily, &from, KeyAfterPrefix(expired), kKeysInOneStep,
                                     Any, progress, result,
                                     [](ReportTransaction& transaction, std::string_view key) {
                                       const auto day = ParseDayDbKey(key.substr(1));
                                       if (day) transaction.ForgetDay(day->first, day->second);
                                       return absl::OkStatus();
                                     }));
  // Days on which nothing had ever counted.
  const std::string noted = DayRevisionDbKey(prefix);
  from = noted;
  return PurgeKeys(kMainFamily, &from, KeyAfterPrefix(noted), kKeysInOneStep, Any, progress, result,
                   [](ReportTransaction& transaction, std::string_view key) {
                     return transaction.ForgetRevision(key);
                   });
}

// Entries whose report is not there: it has expired, or did not decode.
absl::Status RocksReportWriter::PurgeIndexOfDomain(
    const std::string& domain, const std::function<bool(const PurgeResult&)>& progress,
    PurgeResult* result, std::string* next) {
  const auto names_it = [&](std::string_view key, std::string_view value) {
    if (!IsIndexOfReports(key)) return false;
    const auto ref = DecodeRef(key, value);
    return ref.ok() && ref->domain == domain;
  };
  return PurgeKeys(kIndexFamily, next, std::string(kCommitKey), kKeysInOneStep, names_it, progress,
                   result, [&](ReportTransaction& transaction, const std::string& key) {
                     return transaction.ForgetEntry(key);
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
  // Nobody knows what is in it; a purge of its domain takes it.
  const auto pass_by = [&](const absl::Status& error) {
    LogError("value_unreadable", {{"error", error}});
    return go_on();
  };
  const auto find = [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
    const absl::Status decoded = DecodeReport(key, value, ReportParts::kAll, &report);
    if (absl::IsDataLoss(decoded)) return pass_by(decoded);
    DMARCATE_RETURN_IF_ERROR(decoded);
    const auto has = [&](const AggregateRecord& record) { return record.source_ip == address; };
    if (std::ranges::any_of(report.report.records, has)) {
      keys.push_back(report.key);
      names.insert(NameOf(report.key.domain, report.key.ToId()));
    }
    return go_on();
  };
  const auto find_failure = [&](std::string_view key,
                                std::string_view value) -> absl::StatusOr<bool> {
    const auto stored = DecodeFailureReport(key, value);
    if (absl::IsDataLoss(stored.status())) return pass_by(stored.status());
    DMARCATE_RETURN_IF_ERROR(stored.status());
    if (IsFrom(*stored, address)) {
      failures.push_back(stored->key);
      names.insert(NameOf(stored->key.domain, stored->key.ToId()));
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
  ReceiptId first = 1;
  DMARCATE_RETURN_IF_ERROR(
      PurgeReceipts(mode, progress, result, &first,
                    [&](ReportTransaction& transaction, const StoredReceipt& stored) {
                      const auto names_one = [&](const ReceiptItem& item) {
                        return names.contains(NameOf(item.domain, item.report_name));
                      };
                      return std::ranges::any_of(stored.items, names_one)
                                 ? transaction.PurgeRaw(stored.receipt.id, result)
                                 : absl::OkStatus();
                    }));
  const auto each =
      [&](const std::vector<ReportKey>& all, size_t limit,
          const std::function<absl::Status(ReportTransaction&, const ReportKey&)>& purge)
      -> absl::Status {
    for (size_t at = 0; at < all.size(); at += limit) {
      const Steps steps{.count = std::min(limit, all.size() - at),
                        .begin = [&, before = *result] { *result = before; },
                        .one = [&](ReportTransaction& transaction,
                                   size_t i) { return purge(transaction, all[at + i]); }};
      DMARCATE_RETURN_IF_ERROR(EditEach(mode, steps));
      if (!progress(*result)) return absl::CancelledError();
    }
    return absl::OkStatus();
  };
  DMARCATE_RETURN_IF_ERROR(
      each(failures, kKeysInOneStep, [&](ReportTransaction& transaction, const ReportKey& key) {
        return transaction.PurgeFailure(key, result);
      }));
  return each(keys, kReportsInOneStep, [&](ReportTransaction& transaction, const ReportKey& key) {
    return transaction.PurgeAddress(key, address, result);
  });
}

}  // namespace dmarcate
