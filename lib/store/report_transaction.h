// lib/store/report_transaction.h
// One CommitBatch on its way to the database: sees its own changes, decides duplicates and
// revisions, moves the totals, and gives one WriteSet at the end. Nothing is written before that.

#ifndef DMARCATE_LIB_STORE_REPORT_TRANSACTION_H_
#define DMARCATE_LIB_STORE_REPORT_TRANSACTION_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/base/text.h"
#include "lib/store/report_codec.h"
#include "lib/store/report_db.h"
#include "lib/store/report_rules.h"
#include "lib/store/report_store.h"
#include "lib/store/rocks_db.h"
#include "lib/store/value_codec.h"

namespace dmarcate {

class ReportTransaction {
 public:
  // `last_receipt` is the highest id given; `cache` holds totals as they are in the database.
  ReportTransaction(const RocksDb& db, ReceiptId last_receipt, const StringMap<DayTotals>& cache);

  absl::StatusOr<CommitResult> Run(CommitBatch batch);

  // Steps of ReportWriter::Expire() and Purge(); see there. After them Finish(). `stored` was
  // processed.
  absl::Status ExpireFailure(StoredReceipt stored, ExpiryResult* result);
  absl::Status ExpireRaw(StoredReceipt stored, ExpiryResult* result);
  absl::Status ExpireRows(StoredReceipt stored, ExpiryResult* result);
  absl::Status ExpireQuarantined(ReceiptId id, absl::Time raw_cutoff, ExpiryResult* result);
  // A receipt with the mark kLateTag.
  absl::Status ExpireLate(ReceiptId id, ExpiryResult* result);
  // Unless there are reports of the day.
  absl::Status ExpireDay(std::string_view domain, DayNumber day, ExpiryResult* result);
  // What has expired of the day. Its totals then are those of the reports that are there.
  void ForgetDay(std::string_view domain, DayNumber day);
  // An entry of the index (IsIndexOfReports) whose report is neither there nor has to be known.
  absl::Status ForgetEntry(const std::string& key);
  // A report with the receipt that names it, if one does.
  absl::Status PurgeStored(ReportFamily family, const ReportKey& key, PurgeResult* result);
  absl::Status PurgeReceipt(StoredReceipt stored, std::string_view domain, PurgeResult* result);
  absl::Status PurgeReport(const ReportKey& key, PurgeResult* result);
  absl::Status PurgeTls(const ReportKey& key, PurgeResult* result);
  absl::Status PurgeFailure(const ReportKey& key, PurgeResult* result);
  absl::Status PurgeAddress(const ReportKey& key, const IpAddress& address, PurgeResult* result);
  absl::Status PurgeRaw(ReceiptId id, PurgeResult* result);
  void SetNumber(std::string_view key, uint64_t number) {
    changes_.Put(kMainFamily, std::string(key), EncodeNumber(key, number));
  }
  absl::StatusOr<std::optional<StoredReceipt>> GetReceipt(ReceiptId id) const;
  // See CommitBatch::released. Then Finish().
  absl::StatusOr<ReleaseResult> Release(ReleasedReport released);
  absl::Status Finish() { return FinishTotals(); }
  bool empty() const;  // there is nothing to write

  // After Run() or Finish().
  WriteSet TakeChanges() { return std::move(changes_); }
  // Raw bytes above kRawPieceBytes, by the receipt that brings them: to be written in pieces before
  // the changes, which do not hold them.
  std::vector<std::pair<ReceiptId, std::string>> TakeLargeRaw() { return std::move(large_raw_); }
  // Keys of reports that nothing was stored under before. What is not among them was changed.
  const absl::flat_hash_set<std::string>& added() const { return added_; }
  ReceiptId last_receipt() const { return last_receipt_; }
  // Totals that were touched, by DayDbKey, as they will be.
  const StringMap<DayTotals>& totals() const { return totals_; }

 private:
  absl::Status Accept(CommitBatch::Accepted accepted, CommitResult* result);
  absl::Status Process(CommitBatch::Processed processed, CommitResult* result);
  absl::Status Store(StoredReport report, ReceiptItem* item);
  // Names the report that a duplicate is one of.
  absl::Status Link(std::string_view document_sha256, ReceiptItem* item) const;
  absl::StatusOr<DropResult> Drop(ReceiptId id);
  // One that does not decode, with whatever lies under its number.
  absl::StatusOr<DropResult> DropUndecodable(ReceiptId id);
  // The receipt and its marks; the bytes of its raw, or 0 where another receipt goes on with them.
  absl::StatusOr<int64_t> ForgetReceipt(const Receipt& receipt);
  // The receipts of the same bytes that came after the first.
  absl::StatusOr<std::vector<ReceiptId>> Copies(const Receipt& first) const;
  // Gives the bytes that lie under `from` to `to`.
  absl::Status MoveRaw(const Receipt& from, ReceiptId to);
  void DeleteRaw(const Receipt& receipt);
  // The bytes go, the receipt is remembered.
  absl::Status LetRawGo(StoredReceipt stored, ExpiryResult* result);
  // The same without writing the receipt. `result` may be nullptr.
  absl::Status LetRawGo(Receipt* receipt, ExpiryResult* result);
  // The bytes lie under this receipt.
  absl::StatusOr<bool> OwnsRaw(const Receipt& receipt) const;
  absl::Status ExpireItem(ReceiptId receipt, const ReceiptItem& item, ExpiryResult* result);
  absl::Status ExpireCounted(const StoredReport& report, ExpiryResult* result);
  absl::Status ExpireFailureReport(const ReportKey& key, ExpiryResult* result);
  // Of the day's totals, what belongs to rows that have expired.
  absl::StatusOr<DayTotals*> ExpiredOf(const std::string& day_key, DayNumber day);
  absl::StatusOr<bool> HasExpired(const std::string& day_key) const;
  // A day so long ago that nothing is kept of it.
  absl::StatusOr<bool> IsForgotten(const ReportKey& key) const;

  // Take in and out whole reports, with indexes and totals.
  absl::Status Insert(StoredReport report);
  // The same with what is known of its identity already.
  absl::Status InsertAmong(std::vector<Revision> revisions, const std::string& index_key,
                           StoredReport report);
  absl::Status Remove(const ReportKey& key);
  // The same, also of what does not decode: then the day is counted anew.
  absl::Status Discard(const ReportKey& key);
  // Takes those out of `revisions` whose report was discarded and which would be elected.
  absl::Status EraseMissing(ReportFamily family, const ReportKey& alike,
                            std::vector<Revision>* revisions) const;
  void PutRevisions(const std::string& key, const std::vector<Revision>& revisions);
  // What became of an item of a receipt that is read again. Its document keeps the trust that it
  // had: a copy may have lent it, or a person, and neither comes again.
  absl::Status RemoveItem(ReceiptId receipt, const ReceiptItem& item);
  template <typename Stored>
  void Remember(const Stored& report);
  // Gives `report` what its document had before the receipt was read again, if that was more.
  template <typename Stored>
  bool KeepTrust(Stored* report) const;
  // What trust had quarantined and a copy has lent more is not in doubt any more. `items` are those
  // of the receipt `current`, which is yet to be written.
  absl::Status SettleLent(ReceiptId current, std::vector<ReceiptItem>* items);
  // Writes a receipt of which something has left the quarantine. Nobody looks at the rest, if there
  // is none.
  absl::Status PutSettled(StoredReceipt stored);
  // Which of `revisions` counts is about to change: adds the report to the totals or takes it out.
  absl::Status SetCurrent(const StoredReport& alike, const Revision& revision, bool current);
  absl::Status Count(const StoredReport& report, bool add);
  // Its totals become those of the reports that are there, and of what has expired.
  void CountAnew(const std::string& day_key, DayNumber day);
  absl::Status FinishTotals();
  absl::Status Recount(const std::string& day_key, DayTotals* totals) const;

  // The same for TLS reports; they have no totals.
  absl::Status StoreTls(StoredTlsReport report, ReceiptItem* item);
  absl::Status InsertTls(StoredTlsReport report);
  absl::Status RemoveTls(const ReportKey& key);
  absl::Status DiscardTls(const ReportKey& key);
  // And, if it is current, those that it supersedes.
  absl::Status ExpireTls(const ReportKey& key, ExpiryResult* result);
  absl::Status SetCurrentTls(const ReportKey& alike, const Revision& revision, bool current);
  absl::StatusOr<std::optional<StoredTlsReport>> GetTls(
      const ReportKey& key, ReportParts parts = ReportParts::kAll) const;
  absl::StatusOr<std::optional<StoredTlsReport>> FindTlsDocument(
      std::string_view document_sha256) const;

  // The same for failure reports; they have no revisions either.
  absl::Status StoreFailure(const StoredFailureReport& report, ReceiptItem* item);
  absl::Status RemoveFailure(const ReportKey& key);
  absl::Status DiscardFailure(const ReportKey& key);
  absl::StatusOr<std::optional<StoredFailureReport>> GetFailure(const ReportKey& key) const;
  // Takes the raw bytes of `receipt` out, unless another that brought the same is still to be read.
  absl::Status WithholdRaw(Receipt* receipt);

  // Whether the bytes are there. What does not decode is not: then they are kept once more, under
  // the receipt that brings them now.
  enum class RawState : uint8_t {
    kNew,
    kKnown,
    kKeyTaken,  // new, by other bytes whose hash begins alike
  };
  absl::StatusOr<RawState> StateOfRaw(std::string_view raw_sha256) const;

  // With this transaction's changes.
  absl::StatusOr<std::optional<std::string>> Get(int family, std::string_view key) const;
  // The one that brought the bytes of `raw_key` first.
  absl::StatusOr<std::optional<StoredReceipt>> FirstReceipt(const std::string& raw_key) const;
  // In their order: by receipt.
  absl::StatusOr<std::vector<std::string>> RawCopyKeys(std::string_view raw_sha256) const;
  absl::StatusOr<std::optional<StoredReport>> GetReport(
      const ReportKey& key, ReportParts parts = ReportParts::kAll) const;
  absl::StatusOr<std::vector<Revision>> GetRevisions(const std::string& key) const;
  // Where the report lay that had this identity, counted, and has expired.
  absl::StatusOr<std::optional<ReportKey>> FindExpired(const StoredReport& report) const;
  // The head of the stored report with this document, if any. An input may hold many copies.
  absl::StatusOr<std::optional<StoredReport>> FindDocument(std::string_view document_sha256) const;
  absl::StatusOr<DayTotals*> TotalsOf(const std::string& day_key, DayNumber day);

  const RocksDb& db_;
  const StringMap<DayTotals>& cache_;
  WriteSet changes_;
  std::vector<std::pair<ReceiptId, std::string>> large_raw_;
  ReceiptId last_receipt_;
  StringMap<DayTotals> totals_;
  StringMap<DayTotals> expired_;
  struct Standing {
    TrustClass trust = TrustClass::kUnspecified;
    TrustReason reason = TrustReason::kNone;
    std::string reporter_key;
    std::optional<dmarcate::Release> release;
  };
  StringMap<Standing> standings_;  // by kind and document, of the receipt that is read again
  std::map<ReceiptId, std::set<uint16_t>> lent_;  // reports that were quarantined, by receipt
  absl::flat_hash_set<std::string> added_;
  absl::flat_hash_set<std::string> recount_;  // days whose totals cannot be subtracted from
};

// What goes by the age of its receipt, each in its own time: receipts are passed in the order in
// which they came, and each class remembers how far it is. A new one is a line here, and a time in
// ExpiryCutoffs.
struct ExpiryClass {
  std::string_view name;  // part of a key at rest
  absl::Time ExpiryCutoffs::* cutoff;
  absl::Status (ReportTransaction::*expire)(StoredReceipt stored, ExpiryResult* result);
};
const std::vector<ExpiryClass>& ExpiryClasses();
inline constexpr std::string_view kRawExpiry = "raw", kFailureExpiry = "failure";

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_REPORT_TRANSACTION_H_
