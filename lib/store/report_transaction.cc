#include "lib/store/report_transaction.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/report_codec.h"

namespace dmarcate {
namespace {

std::string DayKeyOf(const ReportKey& key) { return DayDbKey(key.domain, key.day); }

std::string StandingKey(std::string_view kind, std::string_view document_sha256) {
  return fmt::format("{} {}", kind, document_sha256);
}

}  // namespace

ReportTransaction::ReportTransaction(const RocksDb& db, ReceiptId last_receipt,
                                     const StringMap<DayTotals>& cache)
    : db_(db), cache_(cache), changes_(ReportFamilies().size()), last_receipt_(last_receipt) {}

absl::StatusOr<CommitResult> ReportTransaction::Run(CommitBatch batch) {
  CommitResult result;
  for (CommitBatch::Accepted& accepted : batch.accepted) {
    DMARCATE_RETURN_IF_ERROR(Accept(std::move(accepted), &result));
  }
  for (CommitBatch::Processed& processed : batch.processed) {
    DMARCATE_RETURN_IF_ERROR(Process(std::move(processed), &result));
  }
  for (const ReceiptId id : batch.dropped) {
    DMARCATE_ASSIGN_OR_RETURN(const DropResult dropped, Drop(id));
    result.dropped.push_back(dropped);
  }
  for (ReleasedReport& released : batch.released) {
    DMARCATE_ASSIGN_OR_RETURN(ReleaseResult outcome, Release(std::move(released)));
    result.released.push_back(std::move(outcome));
  }
  if (!result.accepted.empty()) {
    changes_.Put(kMainFamily, std::string(kLastReceiptKey),
                 EncodeNumber(kLastReceiptKey, last_receipt_));
  }
  DMARCATE_RETURN_IF_ERROR(FinishTotals());
  return result;
}

absl::Status ReportTransaction::Accept(CommitBatch::Accepted accepted, CommitResult* result) {
  StoredReceipt stored{std::move(accepted.receipt), {}};
  Receipt& receipt = stored.receipt;
  if (receipt.id == 0) receipt.id = last_receipt_ + 1;
  if (receipt.id <= last_receipt_) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("receipt {}: not above {}", receipt.id, last_receipt_));
  }
  last_receipt_ = receipt.id;
  if (receipt.raw_sha256.empty()) receipt.raw_sha256 = Sha256(accepted.raw);
  receipt.processed = false;
  DMARCATE_ASSIGN_OR_RETURN(const RawState state, StateOfRaw(receipt.raw_sha256));
  const bool known = state == RawState::kKnown;
  if (state == RawState::kNew) {
    const std::string raw_key = RawHashKey(receipt.raw_sha256);
    changes_.Put(kIndexFamily, raw_key, EncodeNumber(raw_key, receipt.id));
  } else {
    changes_.Put(kIndexFamily, RawCopyKey(receipt.raw_sha256, receipt.id), "");
  }
  if (!known) {
    if (accepted.raw.size() > kRawPieceBytes) {
      large_raw_.emplace_back(receipt.id, std::move(accepted.raw));
    } else {
      changes_.Put(kRawFamily, RawDbKey(receipt.id), std::move(accepted.raw));
    }
  }
  const std::string key = ReceiptDbKey(kReceiptTag, receipt.id);
  changes_.Put(kMainFamily, key, EncodeReceipt(key, stored));
  changes_.Put(kMainFamily, ReceiptDbKey(kPendingTag, receipt.id), "");
  result->accepted.push_back(receipt.id);
  result->raw_known.push_back(known);
  return absl::OkStatus();
}

absl::StatusOr<ReportTransaction::RawState> ReportTransaction::StateOfRaw(
    std::string_view raw_sha256) const {
  const auto first = FirstReceipt(RawHashKey(raw_sha256));
  if (absl::IsDataLoss(first.status())) return RawState::kNew;
  DMARCATE_RETURN_IF_ERROR(first.status());
  if (!first->has_value()) return RawState::kNew;
  if ((*first)->receipt.raw_sha256 == raw_sha256) {
    return (*first)->receipt.raw_gone ? RawState::kNew : RawState::kKnown;
  }
  DMARCATE_ASSIGN_OR_RETURN(const auto keys, RawCopyKeys(raw_sha256));
  for (const std::string& key : keys) {
    const auto later = GetReceipt(ParseRawCopyKey(key).value_or(0));
    if (absl::IsDataLoss(later.status())) continue;
    DMARCATE_RETURN_IF_ERROR(later.status());
    if (*later && (*later)->receipt.raw_sha256 == raw_sha256) return RawState::kKnown;
  }
  return RawState::kKeyTaken;
}

absl::Status ReportTransaction::Process(CommitBatch::Processed processed, CommitResult* result) {
  DMARCATE_RETURN_IF_ERROR(CheckProcessed(processed));
  const ReceiptId id = processed.receipt;
  DMARCATE_ASSIGN_OR_RETURN(auto stored, GetReceipt(id));
  if (!stored) {
    return MakeError(absl::StatusCode::kNotFound, fmt::format("receipt {}: unknown", id));
  }
  for (const ReceiptItem& item : stored->items) {
    DMARCATE_RETURN_IF_ERROR(RemoveItem(id, item));
  }
  stored->items.clear();
  const std::string receipt_key = ReceiptDbKey(kReceiptTag, id);
  for (ProcessedItem& item : processed.items) {
    if (item.report) {
      if (KeepTrust(&*item.report) && item.item.outcome == Outcome::kQuarantined) {
        SettleQuarantined(&item.item);
      }
      DMARCATE_RETURN_IF_ERROR(Store(*std::move(item.report), &item.item));
    } else if (item.tls) {
      KeepTrust(&*item.tls);
      DMARCATE_RETURN_IF_ERROR(StoreTls(*std::move(item.tls), &item.item));
    } else if (item.failure) {
      KeepTrust(&*item.failure);
      DMARCATE_RETURN_IF_ERROR(StoreFailure(*item.failure, &item.item));
    } else if (item.item.outcome == Outcome::kDuplicate) {
      DMARCATE_RETURN_IF_ERROR(Link(item.document_sha256, &item.item));
    }
    stored->items.push_back(std::move(item.item));
  }
  standings_.clear();
  DMARCATE_RETURN_IF_ERROR(SettleLent(id, &stored->items));
  const bool unreadable = HasUnreadable(stored->items);
  Receipt& receipt = stored->receipt;
  if (receipt.processed) {
    // Kept, and read once more: the time of its raw bytes may have passed by.
    const bool failure = std::ranges::any_of(
        stored->items, [](const ReceiptItem& item) { return item.kind == kFailureKind; });
    DMARCATE_ASSIGN_OR_RETURN(const auto raw_passed,
                              ReadNumber(db_, kMainFamily, ExpiryCursorKey(kRawExpiry)));
    DMARCATE_ASSIGN_OR_RETURN(const auto failure_passed,
                              ReadNumber(db_, kMainFamily, ExpiryCursorKey(kFailureExpiry)));
    const bool late = failure && failure_passed.value_or(0) >= id;
    if (late || (!unreadable && raw_passed.value_or(0) >= id)) {
      DMARCATE_RETURN_IF_ERROR(LetRawGo(&receipt, nullptr));
    }
    const std::string late_key = ReceiptDbKey(kLateTag, id);
    if (late) {
      changes_.Put(kMainFamily, late_key, "");
    } else {
      changes_.Delete(kMainFamily, late_key);
    }
  }
  receipt.processed = true;
  receipt.subject = unreadable ? std::move(processed.subject) : std::string();
  receipt.from_domain = unreadable ? std::move(processed.from_domain) : std::string();
  if (processed.withhold_raw) {
    receipt.file_name.clear();
    DMARCATE_RETURN_IF_ERROR(WithholdRaw(&receipt));
  }
  changes_.Put(kMainFamily, receipt_key, EncodeReceipt(receipt_key, *stored));
  changes_.Delete(kMainFamily, ReceiptDbKey(kPendingTag, id));
  const std::string unreadable_key = ReceiptDbKey(kUnreadableTag, id);
  if (unreadable) {
    changes_.Put(kMainFamily, unreadable_key, "");
  } else {
    changes_.Delete(kMainFamily, unreadable_key);
  }
  result->processed.push_back(std::move(stored->items));
  return absl::OkStatus();
}

absl::Status ReportTransaction::RemoveItem(ReceiptId receipt, const ReceiptItem& item) {
  const auto key = ReportOf(receipt, item);
  if (!key) return absl::OkStatus();  // it gave none
  if (item.kind == kTlsKind) {
    DMARCATE_ASSIGN_OR_RETURN(const auto report, GetTls(*key, ReportParts::kHead));
    if (report) Remember(*report);
    return RemoveTls(*key);
  }
  if (item.kind == kFailureKind) {
    DMARCATE_ASSIGN_OR_RETURN(const auto report, GetFailure(*key));
    if (report) Remember(*report);
    return RemoveFailure(*key);
  }
  DMARCATE_ASSIGN_OR_RETURN(const auto report, GetReport(*key, ReportParts::kHead));
  if (report) Remember(*report);
  return Remove(*key);
}

template <typename Stored>
void ReportTransaction::Remember(const Stored& report) {
  Standing& standing = standings_[StandingKey(KindOf(report), report.document_sha256)];
  standing.trust = report.trust;
  standing.reason = report.reason;
  if constexpr (requires { report.reporter_key; }) standing.reporter_key = report.reporter_key;
  if constexpr (requires { report.release; }) standing.release = report.release;
}

template <typename Stored>
bool ReportTransaction::KeepTrust(Stored* report) const {
  const auto before = standings_.find(StandingKey(KindOf(*report), report->document_sha256));
  if (before == standings_.end()) return false;
  const auto& [trust, reason, reporter_key, release] = before->second;
  if constexpr (requires { report->release; }) report->release = release;
  if (TrustRank(trust) <= TrustRank(report->trust)) return false;
  report->trust = trust;
  report->reason = reason;
  if constexpr (requires { report->reporter_key; }) report->reporter_key = reporter_key;
  return true;
}

absl::Status ReportTransaction::SettleLent(ReceiptId current, std::vector<ReceiptItem>* items) {
  for (const auto& lent : std::exchange(lent_, {})) {
    const ReceiptId id = lent.first;
    const auto settle = [&](std::vector<ReceiptItem>& all) {
      for (ReceiptItem& item : all) {
        const auto key = item.outcome == Outcome::kQuarantined ? ReportOf(id, item) : std::nullopt;
        if (key && lent.second.contains(key->item)) SettleQuarantined(&item);
      }
    };
    if (id == current) {
      settle(*items);
      continue;
    }
    auto stored = GetReceipt(id);
    if (absl::IsDataLoss(stored.status())) continue;  // it is listed as that
    DMARCATE_RETURN_IF_ERROR(stored.status());
    if (!*stored) continue;
    settle((*stored)->items);
    DMARCATE_RETURN_IF_ERROR(PutSettled(**std::move(stored)));
  }
  return absl::OkStatus();
}

absl::Status ReportTransaction::Store(StoredReport report, ReceiptItem* item) {
  DMARCATE_ASSIGN_OR_RETURN(auto same, FindDocument(report.document_sha256));
  if (!same) {
    DMARCATE_ASSIGN_OR_RETURN(const auto expired, FindExpired(report));
    if (expired) {
      item->outcome = Outcome::kDuplicate;
      item->report_name = expired->ToId();
      item->domain = expired->domain;
      return absl::OkStatus();
    }
    const std::string index_key = IdentityIndexKey(report);
    DMARCATE_ASSIGN_OR_RETURN(auto revisions, GetRevisions(index_key));
    if (!HasRoom(revisions, report.trust)) {
      const Revision& current = revisions[ElectCurrent(revisions)];
      RefuseRevision({report.key.domain, report.key.day, current.receipt, current.item}, item);
      return absl::OkStatus();
    }
    item->report_name = report.key.ToId();
    item->domain = report.key.domain;
    return InsertAmong(std::move(revisions), index_key, std::move(report));
  }
  item->outcome = Outcome::kDuplicate;
  item->report_name = same->key.ToId();
  item->domain = same->key.domain;
  if (TrustRank(report.trust) <= TrustRank(same->trust)) return absl::OkStatus();
  StoredReport lent = *same;  // what was found is its head
  lent.trust = report.trust;
  lent.reporter_key = report.reporter_key;
  DMARCATE_ASSIGN_OR_RETURN(const auto expired, FindExpired(lent));
  DMARCATE_ASSIGN_OR_RETURN(const auto others, GetRevisions(IdentityIndexKey(lent)));
  if (expired || !HasRoom(others, lent.trust)) return absl::OkStatus();
  if (same->trust == TrustClass::kQuarantined) lent_[same->key.receipt].insert(same->key.item);
  DMARCATE_ASSIGN_OR_RETURN(auto whole, GetReport(same->key));
  DMARCATE_RETURN_IF_ERROR(Remove(same->key));
  whole->trust = report.trust;
  whole->reason = report.reason;
  whole->reporter_key = std::move(report.reporter_key);
  DMARCATE_RETURN_IF_ERROR(Insert(*std::move(whole)));
  DMARCATE_ASSIGN_OR_RETURN(const auto raised, GetReport(same->key, ReportParts::kHead));
  if (raised) NoteRaise(*same, *raised, item);
  return absl::OkStatus();
}

absl::Status ReportTransaction::Insert(StoredReport report) {
  const std::string index_key = IdentityIndexKey(report);
  DMARCATE_ASSIGN_OR_RETURN(auto revisions, GetRevisions(index_key));
  return InsertAmong(std::move(revisions), index_key, std::move(report));
}

absl::Status ReportTransaction::InsertAmong(std::vector<Revision> revisions,
                                            const std::string& index_key, StoredReport report) {
  DMARCATE_RETURN_IF_ERROR(EraseMissing(kReportsFamily, report.key, &revisions));
  std::optional<Revision> before;
  if (!revisions.empty()) before = revisions[ElectCurrent(revisions)];
  const int64_t records =
      report.packed ? report.record_count : static_cast<int64_t>(report.report.records.size());
  revisions.push_back({report.key.receipt, report.key.item, report.trust, records});
  report.current = ElectCurrent(revisions) == revisions.size() - 1;
  if (report.current) {
    if (before) DMARCATE_RETURN_IF_ERROR(SetCurrent(report, *before, false));
    DMARCATE_RETURN_IF_ERROR(Count(report, true));
  }
  changes_.Put(kIndexFamily, index_key, EncodeRevisions(index_key, revisions));
  const std::string document_key = DocumentIndexKey(report.document_sha256);
  changes_.Put(kIndexFamily, document_key, EncodeRef(document_key, report.key));
  std::string key = ReportDbKey(report.key);
  // What is put in the place of another one was taken out before.
  if (changes_.Find(kReportsFamily, key) == nullptr) added_.insert(key);
  changes_.Put(kReportsFamily, std::move(key), EncodeReport(report));
  return absl::OkStatus();
}

absl::Status ReportTransaction::Remove(const ReportKey& key) {
  DMARCATE_ASSIGN_OR_RETURN(const auto report, GetReport(key));
  if (!report) {
    DMARCATE_ASSIGN_OR_RETURN(const bool expired, HasExpired(DayKeyOf(key)));
    DMARCATE_ASSIGN_OR_RETURN(const bool forgotten, IsForgotten(key));
    if (expired || forgotten) return absl::OkStatus();
    return MakeError(absl::StatusCode::kDataLoss,
                     fmt::format("report {} of {}: its receipt names it, but it is not there",
                                 key.ToId(), key.domain));
  }
  changes_.Delete(kReportsFamily, ReportDbKey(key));
  changes_.Delete(kIndexFamily, DocumentIndexKey(report->document_sha256));
  const std::string index_key = IdentityIndexKey(*report);
  DMARCATE_ASSIGN_OR_RETURN(std::vector<Revision> revisions, GetRevisions(index_key));
  std::erase_if(revisions, [&key](const Revision& revision) {
    return revision.receipt == key.receipt && revision.item == key.item;
  });
  DMARCATE_RETURN_IF_ERROR(EraseMissing(kReportsFamily, key, &revisions));
  if (report->current) {
    DMARCATE_RETURN_IF_ERROR(Count(*report, false));
    if (!revisions.empty()) {
      DMARCATE_RETURN_IF_ERROR(SetCurrent(*report, revisions[ElectCurrent(revisions)], true));
    }
  }
  PutRevisions(index_key, revisions);
  return absl::OkStatus();
}

void ReportTransaction::PutRevisions(const std::string& key,
                                     const std::vector<Revision>& revisions) {
  if (revisions.empty()) {
    changes_.Delete(kIndexFamily, key);
  } else {
    changes_.Put(kIndexFamily, key, EncodeRevisions(key, revisions));
  }
}

absl::Status ReportTransaction::EraseMissing(ReportFamily family, const ReportKey& alike,
                                             std::vector<Revision>* revisions) const {
  while (!revisions->empty()) {
    const auto best = revisions->begin() + static_cast<std::ptrdiff_t>(ElectCurrent(*revisions));
    ReportKey key = alike;  // revisions share domain and day
    key.receipt = best->receipt;
    key.item = best->item;
    DMARCATE_ASSIGN_OR_RETURN(const auto report, Get(family, ReportDbKey(key)));
    if (report) break;
    revisions->erase(best);
  }
  return absl::OkStatus();
}

absl::Status ReportTransaction::SetCurrent(const StoredReport& alike, const Revision& revision,
                                           bool current) {
  ReportKey key = alike.key;  // revisions share domain and day
  key.receipt = revision.receipt;
  key.item = revision.item;
  DMARCATE_ASSIGN_OR_RETURN(auto report, GetReport(key));
  if (!report) {
    return MakeError(absl::StatusCode::kDataLoss,
                     fmt::format("report {} of {}: the index of revisions does not fit it",
                                 key.ToId(), key.domain));
  }
  if (report->current == current) return absl::OkStatus();  // another one was discarded
  report->current = current;
  changes_.Put(kReportsFamily, ReportDbKey(key), EncodeReport(*report));
  return Count(*report, current);
}

absl::Status ReportTransaction::Count(const StoredReport& report, bool add) {
  if (!IsCounted(report.trust)) return absl::OkStatus();
  const std::string day_key = DayKeyOf(report.key);
  DMARCATE_ASSIGN_OR_RETURN(DayTotals * totals, TotalsOf(day_key, report.key.day));
  DayTotals own;
  if (report.packed) {
    own = report.packed->totals;
  } else {
    AddToTotals(report.report, &own);
  }
  if (add) {
    AddTotals(own, totals);
  } else if (IsSaturated(*totals) || !Includes(*totals, own)) {
    recount_.insert(day_key);
  } else {
    SubtractTotals(own, totals);
  }
  return absl::OkStatus();
}

absl::StatusOr<DayTotals*> ReportTransaction::TotalsOf(const std::string& day_key, DayNumber day) {
  if (const auto found = totals_.find(day_key); found != totals_.end()) return &found->second;
  if (const auto found = cache_.find(day_key); found != cache_.end()) {
    return &totals_.emplace(day_key, found->second).first->second;
  }
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db_.Get(kTotalsFamily, day_key));
  DayTotals totals;
  if (value) {
    DMARCATE_ASSIGN_OR_RETURN(totals, DecodeTotals(day_key, *value));
  }
  totals.day = day;
  return &totals_.emplace(day_key, totals).first->second;
}

void ReportTransaction::CountAnew(const std::string& day_key, DayNumber day) {
  totals_[day_key] = DayTotals{.day = day};
  recount_.insert(day_key);
}

absl::Status ReportTransaction::FinishTotals() {
  for (const auto& [day_key, totals] : expired_) {  // first, because a recount adds them
    const std::string key = ExpiredDbKey(day_key);
    changes_.Put(kMainFamily, key, EncodeTotals(key, totals));
  }
  for (auto& [day_key, totals] : totals_) {
    if (recount_.contains(day_key)) DMARCATE_RETURN_IF_ERROR(Recount(day_key, &totals));
    if (totals.reports == 0) {
      changes_.Delete(kTotalsFamily, day_key);
    } else {
      changes_.Put(kTotalsFamily, day_key, EncodeTotals(day_key, totals));
    }
  }
  return absl::OkStatus();
}

absl::Status ReportTransaction::Recount(const std::string& day_key, DayTotals* totals) const {
  const std::string expired_key = ExpiredDbKey(day_key);
  DMARCATE_ASSIGN_OR_RETURN(const auto expired, Get(kMainFamily, expired_key));
  const DayNumber day = totals->day;
  *totals = DayTotals();
  if (expired) {
    DMARCATE_ASSIGN_OR_RETURN(*totals, DecodeExpiredTotals(expired_key, *expired));
  }
  totals->day = day;
  StoredReport report;
  const auto add = [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
    const absl::Status decoded = DecodeReport(key, value, ReportParts::kAll, &report);
    if (absl::IsDataLoss(decoded)) {
      LogError("value_unreadable", {{"error", decoded}});
      return true;
    }
    DMARCATE_RETURN_IF_ERROR(decoded);
    if (report.current && IsCounted(report.trust)) AddToTotals(report.report, totals);
    return true;
  };
  for (const auto& [key, value] : changes_.families()[kReportsFamily]) {
    if (key.starts_with(day_key) && value) DMARCATE_RETURN_IF_ERROR(add(key, *value).status());
  }
  return db_.Scan(kReportsFamily, day_key, KeyAfterPrefix(day_key), Direction::kForward,
                  [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
                    if (changes_.Find(kReportsFamily, key) != nullptr) return true;
                    return add(key, value);
                  });
}

bool ReportTransaction::empty() const {
  return large_raw_.empty() && std::ranges::all_of(changes_.families(), [](const auto& family) {
           return family.empty();
         });
}

absl::StatusOr<std::optional<std::string>> ReportTransaction::Get(int family,
                                                                  std::string_view key) const {
  if (const auto* staged = changes_.Find(family, key)) return *staged;
  return db_.Get(family, key);
}

absl::StatusOr<std::optional<StoredReceipt>> ReportTransaction::FirstReceipt(
    const std::string& raw_key) const {
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kIndexFamily, raw_key));
  if (!value) return std::nullopt;
  DMARCATE_ASSIGN_OR_RETURN(const ReceiptId id, DecodeNumber(raw_key, *value));
  DMARCATE_ASSIGN_OR_RETURN(auto receipt, GetReceipt(id));
  if (receipt) return receipt;
  return MakeError(absl::StatusCode::kDataLoss,
                   fmt::format("receipt {}: raw bytes name it, but it is not there", id));
}

absl::StatusOr<std::vector<std::string>> ReportTransaction::RawCopyKeys(
    std::string_view raw_sha256) const {
  const std::string prefix = RawCopyPrefix(raw_sha256);
  std::set<std::string> keys;
  DMARCATE_RETURN_IF_ERROR(db_.Scan(kIndexFamily, prefix, KeyAfterPrefix(prefix),
                                    Direction::kForward,
                                    [&](std::string_view key, std::string_view) {
                                      keys.emplace(key);
                                      return absl::StatusOr<bool>(true);
                                    }));
  for (const auto& [key, value] : changes_.families()[kIndexFamily]) {
    if (!key.starts_with(prefix)) continue;
    if (value) {
      keys.insert(key);
    } else {
      keys.erase(key);
    }
  }
  return std::vector<std::string>(keys.begin(), keys.end());
}

absl::StatusOr<std::optional<StoredReceipt>> ReportTransaction::GetReceipt(ReceiptId id) const {
  const std::string key = ReceiptDbKey(kReceiptTag, id);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kMainFamily, key));
  if (!value) return std::nullopt;
  DMARCATE_ASSIGN_OR_RETURN(StoredReceipt receipt, DecodeReceipt(key, *value));
  return receipt;
}

absl::StatusOr<std::optional<StoredReport>> ReportTransaction::GetReport(const ReportKey& key,
                                                                         ReportParts parts) const {
  const std::string db_key = ReportDbKey(key);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kReportsFamily, db_key));
  if (!value) return std::nullopt;
  StoredReport report;
  DMARCATE_RETURN_IF_ERROR(DecodeReport(db_key, *value, parts, &report));
  return report;
}

absl::StatusOr<std::vector<Revision>> ReportTransaction::GetRevisions(
    const std::string& key) const {
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kIndexFamily, key));
  if (!value) return std::vector<Revision>();
  return DecodeRevisions(key, *value);
}

absl::StatusOr<std::optional<ReportKey>> ReportTransaction::FindExpired(
    const StoredReport& report) const {
  const std::string key = ExpiredIdentityKey(report);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kIndexFamily, key));
  if (!value) return std::nullopt;
  DMARCATE_ASSIGN_OR_RETURN(ReportKey expired, DecodeRef(key, *value));
  if (expired.domain != report.key.domain || expired.day != report.key.day) return std::nullopt;
  DMARCATE_ASSIGN_OR_RETURN(const bool known, HasExpired(DayKeyOf(expired)));
  if (!known) return std::nullopt;
  return expired;
}

absl::StatusOr<std::optional<StoredReport>> ReportTransaction::FindDocument(
    std::string_view document_sha256) const {
  const std::string key = DocumentIndexKey(document_sha256);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kIndexFamily, key));
  if (!value) return std::nullopt;
  DMARCATE_ASSIGN_OR_RETURN(const ReportKey report_key, DecodeRef(key, *value));
  DMARCATE_ASSIGN_OR_RETURN(auto report, GetReport(report_key, ReportParts::kHead));
  if (!report) {
    DMARCATE_ASSIGN_OR_RETURN(const bool expired, HasExpired(DayKeyOf(report_key)));
    if (expired) {
      // Known and counted; no copy can lend it trust any more.
      StoredReport known;
      known.key = report_key;
      known.trust = TrustClass::kAnchored;
      return known;
    }
    return std::nullopt;  // long ago; or it did not decode, and was discarded
  }
  if (report->document_sha256 != document_sha256) return std::nullopt;  // they share 80 bits
  return report;
}

}  // namespace dmarcate
