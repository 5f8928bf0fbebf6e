// lib/store/fake_report_store.h
// A report store in memory, the simplest thing that keeps the contract: totals are recounted on
// every read, duplicates are looked for one by one. The model that the RocksDB store is tested
// against, and what tests of the daemons run on.

#ifndef DMARCATE_LIB_STORE_FAKE_REPORT_STORE_H_
#define DMARCATE_LIB_STORE_FAKE_REPORT_STORE_H_

#include <map>
#include <mutex>

#include "lib/store/day_revisions.h"
#include "lib/store/pending_reader.h"
#include "lib/store/report_store.h"

namespace dmarcate {

// Thread-safe. As a reader it sees what was committed up to the last CatchUp(), as a follower in
// another process does.
class FakeReportStore final : public ReportWriter,
                              public ReportReader,
                              public PendingReader,
                              public DayRevisionReader {
 public:
  // The next Commit() fails with `error` and writes nothing; all later ones with
  // kFailedPrecondition.
  void FailNextCommit(absl::Status error);

  absl::StatusOr<CommitResult> Commit(CommitBatch batch, Sync sync) override;
  absl::StatusOr<ReleaseResult> CheckRelease(const ReleasedReport& released) override;
  absl::StatusOr<std::vector<Receipt>> Pending(size_t limit) override;
  absl::StatusOr<std::optional<std::vector<ReceiptItem>>> FindByRaw(
      std::string_view raw_sha256) override;
  absl::StatusOr<StoredReceipt> GetReceipt(ReceiptId id) override;
  absl::StatusOr<std::string> ReadRaw(std::string_view raw_sha256) override;
  absl::StatusOr<std::string> ReadRawOf(ReceiptId receipt) override;
  absl::StatusOr<UnreadablePage> ListUnreadable(std::optional<ItemPlace> from,
                                                size_t limit) override;
  absl::StatusOr<ExpiryResult> Expire(const ExpiryCutoffs& cutoffs, size_t limit) override;
  absl::StatusOr<PurgeResult> Purge(
      const PurgeTarget& target, PurgeMode mode,
      const std::function<bool(const PurgeResult&)>& progress) override;
  absl::Status VerifyTotals(std::string_view domain,
                            const std::function<bool(const DayCheck&)>& visit) override;

  absl::Status CatchUp() override;
  uint64_t version() const override;
  absl::Status ForEachReport(std::string_view domain, DayNumber first, DayNumber last,
                             const std::function<bool(const StoredReport&)>& visit) override;
  absl::StatusOr<std::vector<DayTotals>> ReadTotals(std::string_view domain, DayNumber first,
                                                    DayNumber last) override;
  absl::StatusOr<std::vector<DayTotals>> ReadExpiredTotals(std::string_view domain, DayNumber first,
                                                           DayNumber last) override;
  absl::StatusOr<std::vector<DayRevision>> ReadDayRevisions(std::string_view domain,
                                                            DayNumber first,
                                                            DayNumber last) override;
  absl::Status ForEachReportAfter(const ReportKey& key,
                                  const std::function<bool(const StoredReport&)>& visit) override;
  absl::StatusOr<int64_t> CountPending(int64_t limit) override;
  absl::StatusOr<std::vector<std::pair<std::string, DayNumber>>> ListDomains(std::string_view after,
                                                                             size_t limit) override;
  absl::StatusOr<ReportPage> ListReports(std::string_view domain, DayNumber first, DayNumber last,
                                         const std::optional<ReportKey>& from,
                                         size_t limit) override;
  absl::StatusOr<StoredReport> GetReport(const ReportKey& key) override;
  absl::Status ForEachTlsReport(std::string_view domain, DayNumber first, DayNumber last,
                                const std::function<bool(const StoredTlsReport&)>& visit) override;
  absl::StatusOr<TlsReportPage> ListTlsReports(std::string_view domain, DayNumber first,
                                               DayNumber last, const std::optional<ReportKey>& from,
                                               size_t limit) override;
  absl::StatusOr<StoredTlsReport> GetTlsReport(const ReportKey& key) override;
  absl::StatusOr<FailureReportPage> ListFailureReports(std::string_view domain, DayNumber first,
                                                       DayNumber last,
                                                       const std::optional<ReportKey>& from,
                                                       size_t limit) override;
  absl::StatusOr<StoredFailureReport> GetFailureReport(const ReportKey& key) override;

 private:
  struct State {
    ReceiptId last_receipt = 0;
    ReceiptId raw_passed = 0;  // up to this one raw bytes have passed their time
    std::map<ReceiptId, std::pair<Receipt, std::vector<ReceiptItem>>> receipts;
    std::map<std::string, std::string, std::less<>> raw;          // by hash
    std::map<std::string, ReceiptId, std::less<>> first_receipt;  // of each raw
    std::map<ReportKey, StoredReport> reports;
    std::map<ReportKey, StoredTlsReport> tls;
    std::map<ReportKey, StoredFailureReport> failures;
    // Of reports that have expired: what they counted, by domain and day, and their documents.
    std::map<std::pair<std::string, DayNumber>, DayTotals> expired;
    std::map<std::string, ReportKey> expired_documents;
    std::map<std::string, ReportKey> expired_identities;  // of those that counted
  };

  static absl::Status Accept(std::vector<CommitBatch::Accepted>& accepted, State& state,
                             CommitResult& result);
  static absl::Status Process(CommitBatch::Processed& processed, State& state,
                              CommitResult& result);
  // Where a report lay that is the same, or was another revision of it, counted, and has expired.
  static std::optional<ReportKey> FindExpired(const StoredReport& report, const State& state);
  static DropResult Drop(ReceiptId id, State& state);
  static ReleaseResult Release(ReleasedReport released, State& state);
  // Something of the receipt has left the quarantine.
  static void Settled(ReceiptId id, State& state);
  // The receipt and, unless another has the same, its bytes: how many.
  static int64_t ForgetReceipt(ReceiptId id, State& state);
  static void ExpireRows(ReceiptId id, State& state, ExpiryResult& result);
  static void LetRawGo(Receipt& receipt, State& state, ExpiryResult& result);
  static void PurgeDomain(const std::string& domain, State& state, PurgeResult& result);
  static void PurgeAddress(const IpAddress& address, State& state, PurgeResult& result);
  // Of all receipts that gave the report, or a copy of it.
  static void LetRawOfReportGo(const ReportKey& key, State& state, PurgeResult& result);
  // `Stored`: StoredReport, StoredTlsReport or, but for Elect() and RevisionsOf(),
  // StoredFailureReport; `reports` are all of the kind.
  // The report that trust had quarantined, if this is a copy that lends it more.
  template <typename Stored>
  static std::optional<ReportKey> Store(Stored report, ReceiptItem& item,
                                        std::map<ReportKey, Stored>& reports);
  // Takes out and gives what a receipt gave.
  template <typename Stored>
  static std::vector<Stored> Remove(ReceiptId receipt, std::map<ReportKey, Stored>& reports);
  // Those with the identity of `report`, by key.
  template <typename Stored>
  static std::vector<Stored*> RevisionsOf(const Stored& report,
                                          std::map<ReportKey, Stored>& reports);
  // Marks the one that counts among the revisions of `report`.
  template <typename Stored>
  static void Elect(const Stored& report, std::map<ReportKey, Stored>& reports);
  template <typename Stored>
  static std::pair<std::vector<Stored>, std::optional<ReportKey>> List(
      const std::map<ReportKey, Stored>& reports, std::string_view domain, DayNumber first,
      DayNumber last, const std::optional<ReportKey>& from, size_t limit);
  State Seen() const;

  mutable std::mutex mutex_;
  State written_, seen_;
  uint64_t written_version_ = 0, seen_version_ = 0;
  absl::Status next_error_, failed_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_FAKE_REPORT_STORE_H_
