// What ReportTransaction lets go because its time has passed. Rows go, their totals stay: what they
// were is kept apart by day, so that totals still equal a recount, and their documents stay known,
// so that none is counted again.

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/report_transaction.h"

namespace dmarcate {
const std::vector<ExpiryClass>& ExpiryClasses() {
  static const std::vector<ExpiryClass> kClasses = {
      {kFailureExpiry, &ExpiryCutoffs::failure, &ReportTransaction::ExpireFailure},
      {kRawExpiry, &ExpiryCutoffs::raw, &ReportTransaction::ExpireRaw},
      {"rows", &ExpiryCutoffs::rows, &ReportTransaction::ExpireRows},
  };
  return kClasses;
}

// A failure report is somebody's mail: it and its bytes have a time of their own.
absl::Status ReportTransaction::ExpireFailure(StoredReceipt stored, ExpiryResult* result) {
  bool any = false;
  for (const ReceiptItem& item : stored.items) {
    if (item.kind != kFailureKind) continue;
    any = true;
    DMARCATE_RETURN_IF_ERROR(ExpireItem(stored.receipt.id, item, result));
  }
  return any ? LetRawGo(std::move(stored), result) : absl::OkStatus();
}

absl::Status ReportTransaction::ExpireLate(ReceiptId id, ExpiryResult* result) {
  changes_.Delete(kMainFamily, ReceiptDbKey(kLateTag, id));
  DMARCATE_ASSIGN_OR_RETURN(auto stored, GetReceipt(id));
  return stored ? ExpireFailure(*std::move(stored), result) : absl::OkStatus();
}

absl::Status ReportTransaction::ExpireRaw(StoredReceipt stored, ExpiryResult* result) {
  if (HasUnreadable(stored.items)) return absl::OkStatus();  // has the time of the quarantine
  return LetRawGo(std::move(stored), result);
}

absl::Status ReportTransaction::ExpireRows(StoredReceipt stored, ExpiryResult* result) {
  for (const ReceiptItem& item : stored.items) {
    DMARCATE_RETURN_IF_ERROR(ExpireItem(stored.receipt.id, item, result));
  }
  DMARCATE_ASSIGN_OR_RETURN(const int64_t bytes, ForgetReceipt(stored.receipt));
  result->raw_bytes += bytes;
  ++result->receipts;
  return absl::OkStatus();
}

absl::Status ReportTransaction::ExpireQuarantined(ReceiptId id, absl::Time raw_cutoff,
                                                  ExpiryResult* result) {
  DMARCATE_ASSIGN_OR_RETURN(const DropResult dropped, Drop(id));
  if (!dropped.dropped) return absl::OkStatus();
  ++result->quarantined;
  result->raw_bytes += dropped.raw_bytes;
  DMARCATE_ASSIGN_OR_RETURN(auto rest, GetReceipt(id));
  if (!rest || rest->receipt.received_time >= raw_cutoff) return absl::OkStatus();
  return LetRawGo(*std::move(rest), result);  // which the class of raw has passed by
}

absl::Status ReportTransaction::LetRawGo(StoredReceipt stored, ExpiryResult* result) {
  if (stored.receipt.raw_gone) return absl::OkStatus();
  DMARCATE_RETURN_IF_ERROR(LetRawGo(&stored.receipt, result));
  const std::string key = ReceiptDbKey(kReceiptTag, stored.receipt.id);
  changes_.Put(kMainFamily, key, EncodeReceipt(key, stored));
  return absl::OkStatus();
}

absl::Status ReportTransaction::LetRawGo(Receipt* receipt, ExpiryResult* result) {
  if (receipt->raw_gone) return absl::OkStatus();
  DMARCATE_ASSIGN_OR_RETURN(const bool owned, OwnsRaw(*receipt));
  if (owned) {
    DeleteRaw(*receipt);
    if (result != nullptr) {
      result->raw_bytes += receipt->size_bytes;
      ++result->raw;
    }
  }
  receipt->raw_gone = true;
  return absl::OkStatus();
}

absl::StatusOr<bool> ReportTransaction::OwnsRaw(const Receipt& receipt) const {
  const std::string raw_key = RawHashKey(receipt.raw_sha256);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kIndexFamily, raw_key));
  if (value) {
    const auto first = DecodeNumber(raw_key, *value);
    if (first.ok() && *first == receipt.id) return true;
  }
  // One of several whose hashes begin alike has bytes of its own.
  DMARCATE_ASSIGN_OR_RETURN(const auto own, Get(kRawFamily, RawDbKey(receipt.id)));
  return own.has_value();
}

absl::Status ReportTransaction::ExpireItem(ReceiptId receipt, const ReceiptItem& item,
                                           ExpiryResult* result) {
  const auto key = ReportOf(receipt, item);
  if (!key) return absl::OkStatus();
  if (item.kind == kTlsKind) return ExpireTls(*key, result);
  if (item.kind == kFailureKind) return ExpireFailureReport(*key, result);
  const auto report = GetReport(*key);
  if (!report.ok() && !absl::IsDataLoss(report.status())) return report.status();
  if (report.ok() && !*report) return absl::OkStatus();  // went with the revision superseding it
  ++result->reports;
  // What has not counted is not remembered: it may count when it comes with more trust.
  if (!report.ok() || !IsCounted((*report)->trust)) return Discard(*key);
  return ExpireCounted(**report, result);
}

absl::Status ReportTransaction::ExpireCounted(const StoredReport& report, ExpiryResult* result) {
  const ReportKey& key = report.key;
  changes_.Delete(kReportsFamily, ReportDbKey(key));
  const std::string day_key = DayDbKey(key.domain, key.day);
  DMARCATE_ASSIGN_OR_RETURN(DayTotals * expired, ExpiredOf(day_key, key.day));
  const std::string index_key = IdentityIndexKey(report);
  DMARCATE_ASSIGN_OR_RETURN(std::vector<Revision> revisions, GetRevisions(index_key));
  std::erase_if(revisions, [&key](const Revision& revision) {
    return revision.receipt == key.receipt && revision.item == key.item;
  });
  if (!report.current) {
    PutRevisions(index_key, revisions);
    return absl::OkStatus();
  }
  DayTotals own;
  AddToTotals(report.report, &own);
  AddTotals(own, expired);
  // None of the others may count instead, nor what comes with this identity later.
  for (const Revision& revision : revisions) {
    ReportKey other = key;
    other.receipt = revision.receipt;
    other.item = revision.item;
    const auto head = GetReport(other, ReportParts::kHead);
    if (!head.ok() && !absl::IsDataLoss(head.status())) return head.status();
    if (head.ok() && *head && !IsCounted((*head)->trust)) {
      changes_.Delete(kIndexFamily, DocumentIndexKey((*head)->document_sha256));
    }
    changes_.Delete(kReportsFamily, ReportDbKey(other));
    ++result->reports;
  }
  changes_.Delete(kIndexFamily, index_key);
  const std::string identity = ExpiredIdentityKey(report);
  changes_.Put(kIndexFamily, identity, EncodeRef(identity, key));
  return absl::OkStatus();
}

absl::Status ReportTransaction::Discard(const ReportKey& key) {
  const absl::Status removed = Remove(key);
  if (!absl::IsDataLoss(removed)) return removed;
  LogError("report_discarded",
           {{"domain", key.domain}, {"report", key.ToId()}, {"error", removed}});
  changes_.Delete(kReportsFamily, ReportDbKey(key));
  CountAnew(DayDbKey(key.domain, key.day), key.day);
  return absl::OkStatus();
}

absl::StatusOr<DayTotals*> ReportTransaction::ExpiredOf(const std::string& day_key, DayNumber day) {
  if (const auto found = expired_.find(day_key); found != expired_.end()) return &found->second;
  DayTotals totals;
  const std::string key = ExpiredDbKey(day_key);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kMainFamily, key));
  if (value) {
    DMARCATE_ASSIGN_OR_RETURN(totals, DecodeExpiredTotals(key, *value));
  }
  totals.day = day;
  return &expired_.emplace(day_key, totals).first->second;
}

absl::StatusOr<bool> ReportTransaction::HasExpired(const std::string& day_key) const {
  if (expired_.contains(day_key)) return true;
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kMainFamily, ExpiredDbKey(day_key)));
  return value.has_value();
}

absl::StatusOr<bool> ReportTransaction::IsForgotten(const ReportKey& key) const {
  DMARCATE_ASSIGN_OR_RETURN(const auto from, ReadNumber(db_, kMainFamily, kTotalsFromKey));
  return from && static_cast<uint64_t>(key.day) < *from;
}

void ReportTransaction::ForgetDay(std::string_view domain, DayNumber day) {
  const std::string day_key = DayDbKey(domain, day);
  expired_.erase(day_key);
  changes_.Delete(kMainFamily, ExpiredDbKey(day_key));
  CountAnew(day_key, day);
}

absl::Status ReportTransaction::ExpireDay(std::string_view domain, DayNumber day,
                                          ExpiryResult* result) {
  DMARCATE_ASSIGN_OR_RETURN(const bool reports, HasReports(db_, domain, day));
  if (reports) return absl::OkStatus();  // they came meanwhile
  ++result->days;
  ForgetDay(domain, day);
  return absl::OkStatus();
}

absl::Status ReportTransaction::ForgetRevision(std::string_view key) {
  DMARCATE_ASSIGN_OR_RETURN(const auto totals, Get(kTotalsFamily, key.substr(1)));
  if (!totals) changes_.Delete(kMainFamily, std::string(key));
  return absl::OkStatus();
}

absl::Status ReportTransaction::ForgetEntry(const std::string& key) {
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kIndexFamily, key));
  if (!value) return absl::OkStatus();
  DMARCATE_ASSIGN_OR_RETURN(const ReportKey ref, DecodeRef(key, *value));
  bool needed = false;
  if (key[0] == kExpiredIdentityTag) {
    DMARCATE_ASSIGN_OR_RETURN(needed, HasExpired(DayDbKey(ref.domain, ref.day)));
  } else {
    const ReportFamily family = key[0] == kTlsDocumentTag       ? kTlsFamily
                                : key[0] == kFailureDocumentTag ? kFailuresFamily
                                                                : kReportsFamily;
    DMARCATE_ASSIGN_OR_RETURN(const auto report, Get(family, ReportDbKey(ref)));
    needed = report.has_value();
    if (!needed && family == kReportsFamily) {
      DMARCATE_ASSIGN_OR_RETURN(needed, HasExpired(DayDbKey(ref.domain, ref.day)));
    }
  }
  if (!needed) changes_.Delete(kIndexFamily, key);
  return absl::OkStatus();
}

// ---- purging ----

absl::Status ReportTransaction::PurgeReceipt(StoredReceipt stored, std::string_view domain,
                                             PurgeResult* result) {
  const ReceiptId id = stored.receipt.id;
  const auto about = [&](const ReceiptItem& item) { return item.domain == domain; };
  if (std::ranges::none_of(stored.items, about)) return absl::OkStatus();
  for (const ReceiptItem& item : stored.items) {
    if (!about(item) || item.outcome == Outcome::kDuplicate) continue;
    const auto key = ReportKey::FromId(item.domain, item.report_name);
    if (!key || key->receipt != id) continue;
    if (item.kind == kTlsKind) {
      DMARCATE_RETURN_IF_ERROR(PurgeTls(*key, result));
    } else if (item.kind == kFailureKind) {
      DMARCATE_RETURN_IF_ERROR(PurgeFailure(*key, result));
    } else {
      DMARCATE_RETURN_IF_ERROR(PurgeReport(*key, result));
    }
  }
  std::erase_if(stored.items, about);
  ++result->receipts;
  // These speak of all that is in it.
  stored.receipt.file_name.clear();
  stored.receipt.subject.clear();
  stored.receipt.from_domain.clear();
  ExpiryResult gone;
  // The bytes of a message speak of the domain, whoever else they speak of.
  DMARCATE_RETURN_IF_ERROR(LetRawGo(stored, &gone));
  result->raw_bytes += gone.raw_bytes;
  stored.receipt.raw_gone = true;
  if (stored.items.empty()) return ForgetReceipt(stored.receipt).status();
  if (!HasUnreadable(stored.items)) changes_.Delete(kMainFamily, ReceiptDbKey(kUnreadableTag, id));
  const std::string key = ReceiptDbKey(kReceiptTag, id);
  changes_.Put(kMainFamily, key, EncodeReceipt(key, stored));
  return absl::OkStatus();
}

absl::Status ReportTransaction::PurgeStored(ReportFamily family, const ReportKey& key,
                                            PurgeResult* result) {
  // One that its receipt names was read when the walk over the receipts had passed that.
  auto stored = GetReceipt(key.receipt);
  if (!stored.ok() && !absl::IsDataLoss(stored.status())) return stored.status();
  if (stored.ok() && *stored && (*stored)->receipt.processed) {
    DMARCATE_RETURN_IF_ERROR(PurgeReceipt(**std::move(stored), key.domain, result));
  }
  if (family == kTlsFamily) return PurgeTls(key, result);
  return family == kFailuresFamily ? PurgeFailure(key, result) : PurgeReport(key, result);
}

absl::Status ReportTransaction::PurgeReport(const ReportKey& key, PurgeResult* result) {
  const auto report = GetReport(key, ReportParts::kHead);
  if (!report.ok() && !absl::IsDataLoss(report.status())) return report.status();
  if (report.ok() && !*report) return absl::OkStatus();
  ++result->reports;
  if (report.ok()) {
    result->records += (*report)->record_count;
    result->messages += (*report)->message_count;
  }
  return Discard(key);
}

absl::Status ReportTransaction::PurgeAddress(const ReportKey& key, const IpAddress& address,
                                             PurgeResult* result) {
  DMARCATE_ASSIGN_OR_RETURN(auto report, GetReport(key));
  if (!report) return absl::OkStatus();
  std::vector<AggregateRecord>& records = report->report.records;
  int64_t removed = 0;
  for (const AggregateRecord& record : records) {
    if (record.source_ip != address) continue;
    ++removed;
    result->messages += record.count;
  }
  if (removed == 0) return absl::OkStatus();
  // Out and in again: the document stays known, so that the row does not come back with a copy.
  DMARCATE_RETURN_IF_ERROR(Remove(key));
  std::erase_if(records,
                [&](const AggregateRecord& record) { return record.source_ip == address; });
  DMARCATE_RETURN_IF_ERROR(Insert(*std::move(report)));
  ++result->reports;
  result->records += removed;
  return absl::OkStatus();
}

absl::Status ReportTransaction::PurgeRaw(ReceiptId id, PurgeResult* result) {
  DMARCATE_ASSIGN_OR_RETURN(auto stored, GetReceipt(id));
  if (!stored || stored->receipt.raw_gone) return absl::OkStatus();
  ExpiryResult gone;
  DMARCATE_RETURN_IF_ERROR(LetRawGo(*std::move(stored), &gone));
  ++result->receipts;
  result->raw_bytes += gone.raw_bytes;
  return absl::OkStatus();
}

}  // namespace dmarcate
