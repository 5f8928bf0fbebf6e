#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/store/key_codec.h"
#include "lib/store/opening_mark.h"
#include "lib/store/record_packer.h"
#include "lib/store/report_codec.h"
#include "lib/store/report_db.h"
#include "lib/store/report_transaction.h"
#include "lib/store/report_upgrade.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_report_store.h"
#include "lib/store/value_codec.h"

namespace dmarcate {
namespace {

// Domain-days whose totals stay in memory, some 200 bytes each. Reports of a day come together;
// beyond this the cache starts anew, which costs one read a day.
constexpr size_t kMaxCachedTotals = 8192;

// What ListUnreadable shows of a receipt that does not decode.
StoredReceipt UnreadableReceipt(ReceiptId id, const absl::Status& error) {
  StoredReceipt stored;
  stored.receipt.id = id;
  ReceiptItem& item = stored.items.emplace_back();
  item.outcome = Outcome::kQuarantined;
  item.reason = "receipt_unreadable";
  item.detail = MessageOf(error);
  return stored;
}

// Ahead of the batch that accepts `receipt`, whose sync covers them: the log is one.
absl::Status WriteRawPieces(ReceiptId receipt, std::string_view raw, RocksDb* db) {
  for (uint32_t piece = 0; !raw.empty(); ++piece) {
    WriteSet one(ReportFamilies().size());
    one.Put(kRawFamily, RawPieceDbKey(receipt, piece), std::string(raw.substr(0, kRawPieceBytes)));
    DMARCATE_RETURN_IF_ERROR(db->Write(one, Sync::kNo));
    raw.remove_prefix(std::min(raw.size(), kRawPieceBytes));
  }
  return absl::OkStatus();
}

// Pieces of receipts that were never given; their ids will be given again.
absl::Status RemoveOrphanedRaw(ReceiptId last_receipt, RocksDb* db) {
  WriteSet orphans(ReportFamilies().size());
  DMARCATE_RETURN_IF_ERROR(
      db->Scan(kRawFamily, RawDbKey(last_receipt + 1), kCommitKey, Direction::kForward,
               [&](std::string_view key, std::string_view) -> absl::StatusOr<bool> {
                 orphans.Delete(kRawFamily, std::string(key));
                 return true;
               }));
  if (orphans.families()[kRawFamily].empty()) return absl::OkStatus();
  return db->Write(orphans, Sync::kNo);
}

}  // namespace

RocksReportWriter::RocksReportWriter(std::unique_ptr<RocksDb> db) : db_(std::move(db)) {}
RocksReportWriter::~RocksReportWriter() = default;

absl::StatusOr<std::unique_ptr<RocksReportWriter>> RocksReportWriter::Open(
    const std::string& directory, rocksdb::Env* env) {
  // Opening moves what is in the log into tables, and may end before all is done here.
  const auto mark = ReadOpeningMark(directory);
  if (mark.ok() && !mark->empty()) {
    DMARCATE_RETURN_IF_ERROR(Annotate(WriteOpeningMark(directory), directory));
  }
  DMARCATE_ASSIGN_OR_RETURN(auto db, RocksDb::Open(directory, ReportFamilies(), env));
  DMARCATE_ASSIGN_OR_RETURN(const auto layout, ReadNumber(*db, kMainFamily, kFormatKey));
  if (layout && *layout > kReportLayout) return Annotate(CheckLayout(layout), directory);
  if (layout) {
    DMARCATE_RETURN_IF_ERROR(Annotate(UpgradeReports(*layout, db.get()), directory));
  } else {
    WriteSet first(ReportFamilies().size());
    first.Put(kMainFamily, std::string(kFormatKey), EncodeNumber(kFormatKey, kReportLayout));
    StampCommit(0, &first);
    DMARCATE_RETURN_IF_ERROR(db->Write(first, Sync::kYes));
  }
  DMARCATE_ASSIGN_OR_RETURN(const auto last, ReadNumber(*db, kMainFamily, kLastReceiptKey));
  const auto commit = ReadCommit(*db);
  if (!commit.ok()) {
    return MakeError(absl::StatusCode::kDataLoss,
                     fmt::format("{}: {}", directory, MessageOf(commit.status())));
  }
  DMARCATE_RETURN_IF_ERROR(Annotate(RemoveOrphanedRaw(last.value_or(0), db.get()), directory));
  auto writer = std::unique_ptr<RocksReportWriter>(new RocksReportWriter(std::move(db)));
  writer->last_receipt_ = last.value_or(0);
  writer->commit_ = *commit;
  DMARCATE_RETURN_IF_ERROR(Annotate(WriteOpeningMark(directory), directory));
  return writer;
}

absl::StatusOr<CommitResult> RocksReportWriter::Commit(CommitBatch batch, Sync sync) {
  const std::lock_guard lock(commit_mutex_);
  ReportTransaction transaction(*db_, last_receipt_, totals_cache_);
  DMARCATE_ASSIGN_OR_RETURN(CommitResult result, transaction.Run(std::move(batch)));
  DMARCATE_RETURN_IF_ERROR(Write(transaction, sync));
  return result;
}

absl::StatusOr<ReleaseResult> RocksReportWriter::CheckRelease(const ReleasedReport& released) {
  const std::lock_guard lock(commit_mutex_);
  return ReportTransaction(*db_, last_receipt_, totals_cache_).Release(released);
}

void RocksReportWriter::Prepare(CommitBatch::Processed* processed) const {
  for (ProcessedItem& item : processed->items) {
    if (item.report) PackReport(&*item.report);
  }
}

std::shared_ptr<RecordSink> RocksReportWriter::MakeSink(std::string_view policy_domain) const {
  return std::make_shared<PackingSink>(policy_domain);
}

absl::Status RocksReportWriter::Edit(PurgeMode mode,
                                     const std::function<absl::Status(ReportTransaction&)>& steps) {
  const std::lock_guard lock(commit_mutex_);
  ReportTransaction transaction(*db_, last_receipt_, totals_cache_);
  DMARCATE_RETURN_IF_ERROR(steps(transaction));
  if (mode == PurgeMode::kCount) return absl::OkStatus();
  DMARCATE_RETURN_IF_ERROR(transaction.Finish());
  return transaction.empty() ? absl::OkStatus() : Write(transaction, Sync::kYes);
}

absl::Status RocksReportWriter::Write(ReportTransaction& transaction, Sync sync) {
  for (const auto& [receipt, raw] : transaction.TakeLargeRaw()) {
    DMARCATE_RETURN_IF_ERROR(WriteRawPieces(receipt, raw, db_.get()));
  }
  WriteSet changes = transaction.TakeChanges();
  DMARCATE_RETURN_IF_ERROR(
      stamps_.Stamp(*db_, commit_ + 1, transaction.added(), transaction.last_receipt(), &changes));
  StampCommit(commit_ + 1, &changes);
  DMARCATE_RETURN_IF_ERROR(db_->Write(changes, sync));
  ++commit_;
  last_receipt_ = transaction.last_receipt();
  if (totals_cache_.size() + transaction.totals().size() > kMaxCachedTotals) totals_cache_.clear();
  for (const auto& [day_key, totals] : transaction.totals()) {
    totals_cache_.insert_or_assign(day_key, totals);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Receipt>> RocksReportWriter::Pending(size_t limit) {
  std::vector<Receipt> out;
  if (limit == 0) return out;
  const auto take = [&](ReceiptId id) -> absl::StatusOr<bool> {
    auto stored = MustReadReceipt(*db_, id);
    if (absl::IsDataLoss(stored.status())) {
      DMARCATE_RETURN_IF_ERROR(SetAside(id, stored.status()));
      return true;
    }
    DMARCATE_RETURN_IF_ERROR(stored.status());
    if (!stored->receipt.processed) out.push_back(std::move(stored->receipt));
    return out.size() < limit;
  };
  DMARCATE_RETURN_IF_ERROR(ScanReceipts(*db_, kPendingTag, 0, 0, Direction::kForward, take));
  return out;
}

absl::StatusOr<std::optional<std::vector<ReceiptItem>>> RocksReportWriter::FindByRaw(
    std::string_view raw_sha256) {
  auto first = FindRaw(*db_, raw_sha256);
  if (absl::IsDataLoss(first.status())) {
    LogError("raw_index_unreadable", {{"sha256", ToHex(raw_sha256)}, {"error", first.status()}});
    return std::nullopt;
  }
  DMARCATE_RETURN_IF_ERROR(first.status());
  if (!first->has_value()) return std::nullopt;
  absl::StatusOr<StoredReceipt>& stored = (*first)->stored;
  if (!stored.ok()) {
    DMARCATE_RETURN_IF_ERROR(SetAside((*first)->id, stored.status()));
    return std::nullopt;
  }
  DMARCATE_ASSIGN_OR_RETURN(auto raising, FindRaisingCopy(*db_, stored->receipt));
  if (raising) return std::move(raising->items);
  if (!stored->receipt.processed) return std::nullopt;
  return std::move(stored->items);
}

absl::Status RocksReportWriter::SetAside(ReceiptId id, const absl::Status& error) {
  LogError("receipt_unreadable", {{"receipt", id}, {"error", error}});
  const std::string key = ReceiptDbKey(kUnreadableTag, id);
  DMARCATE_ASSIGN_OR_RETURN(const auto listed, db_->Get(kMainFamily, key));
  DMARCATE_ASSIGN_OR_RETURN(const auto receipt,
                            db_->Get(kMainFamily, ReceiptDbKey(kReceiptTag, id)));
  if (listed || !receipt) return absl::OkStatus();  // one that was dropped is not to be listed
  WriteSet mark(ReportFamilies().size());
  mark.Put(kMainFamily, key, "");
  return db_->Write(mark, Sync::kNo);
}

absl::StatusOr<StoredReceipt> RocksReportWriter::GetReceipt(ReceiptId id) {
  DMARCATE_ASSIGN_OR_RETURN(auto stored, ReadReceipt(*db_, id));
  if (stored) return *std::move(stored);
  return MakeError(absl::StatusCode::kNotFound, fmt::format("receipt {}: unknown", id));
}

absl::StatusOr<std::string> RocksReportWriter::ReadRaw(std::string_view raw_sha256) {
  return ReadRawBytes(*db_, raw_sha256);
}

absl::StatusOr<ReportWriter::UnreadablePage> RocksReportWriter::ListUnreadable(
    std::optional<ItemPlace> from, size_t limit) {
  UnreadablePage page;
  const auto take = [&](ReceiptId id) -> absl::StatusOr<bool> {
    auto stored = MustReadReceipt(*db_, id);
    if (absl::IsDataLoss(stored.status())) stored = UnreadableReceipt(id, stored.status());
    DMARCATE_RETURN_IF_ERROR(stored.status());
    const uint32_t first = from && id == from->receipt ? from->ordinal : 0;
    return AddUnreadable(stored->receipt, stored->items, first, limit, &page);
  };
  const ReceiptId before = from ? from->receipt + 1 : 0;  // 0, also by wrapping around: all
  DMARCATE_RETURN_IF_ERROR(
      ScanReceipts(*db_, kUnreadableTag, 0, before, Direction::kBackward, take));
  return page;
}

absl::Status RocksReportWriter::Compact() {
  const std::lock_guard lock(commit_mutex_);
  return db_->Compact();
}

std::vector<std::pair<std::string, uint64_t>> RocksReportWriter::FileBytes() const {
  return db_->FileBytes();
}

}  // namespace dmarcate
