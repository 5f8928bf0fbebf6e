// lib/store/rocks_report_store.h
// The reports store on RocksDB: one writer (ingestd), any number of followers in other processes
// (policyd). Keys and values are documented in docs/store.md.

#ifndef DMARCATE_LIB_STORE_ROCKS_REPORT_STORE_H_
#define DMARCATE_LIB_STORE_ROCKS_REPORT_STORE_H_

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "lib/base/text.h"
#include "lib/store/day_revisions.h"
#include "lib/store/day_stamps.h"
#include "lib/store/key_codec.h"
#include "lib/store/pending_reader.h"
#include "lib/store/report_store.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace dmarcate {

class ReportTransaction;
class RocksDb;
struct ExpiryClass;

class RocksReportWriter final : public ReportWriter {
 public:
  // Opens or creates the database in `directory`.
  //   kFailedPrecondition  another process writes it, or a newer program wrote it
  //   kDataLoss            its files are damaged
  // `env`: see RocksDb::Open().
  static absl::StatusOr<std::unique_ptr<RocksReportWriter>> Open(const std::string& directory,
                                                                 rocksdb::Env* env = nullptr);
  ~RocksReportWriter() override;

  absl::StatusOr<CommitResult> Commit(CommitBatch batch, Sync sync) override;
  absl::StatusOr<ReleaseResult> CheckRelease(const ReleasedReport& released) override;
  void Prepare(CommitBatch::Processed* processed) const override;
  std::shared_ptr<RecordSink> MakeSink(std::string_view policy_domain) const override;
  absl::StatusOr<std::vector<Receipt>> Pending(size_t limit) override;
  absl::StatusOr<std::optional<std::vector<ReceiptItem>>> FindByRaw(
      std::string_view raw_sha256) override;
  absl::StatusOr<StoredReceipt> GetReceipt(ReceiptId id) override;
  absl::StatusOr<std::string> ReadRaw(std::string_view raw_sha256) override;
  absl::StatusOr<UnreadablePage> ListUnreadable(std::optional<ItemPlace> from,
                                                size_t limit) override;

  absl::StatusOr<ExpiryResult> Expire(const ExpiryCutoffs& cutoffs, size_t limit) override;
  absl::StatusOr<PurgeResult> Purge(
      const PurgeTarget& target, PurgeMode mode,
      const std::function<bool(const PurgeResult&)>& progress) override;
  absl::Status VerifyTotals(std::string_view domain,
                            const std::function<bool(const DayCheck&)>& visit) override;

  // Rewrites everything in its final form. Takes long, and commits wait; for maintenance and
  // measurements.
  //   kFailedPrecondition  a write failed before
  absl::Status Compact();
  // Bytes in files, by what they hold ("reports", "raw", ...).
  std::vector<std::pair<std::string, uint64_t>> FileBytes() const;

 private:
  explicit RocksReportWriter(std::unique_ptr<RocksDb> db);
  // Logs that the receipt does not decode, and has ListUnreadable() show it. It stays pending.
  absl::Status SetAside(ReceiptId id, const absl::Status& error);
  // One transaction of steps, written unless `mode` only counts.
  absl::Status Edit(PurgeMode mode, const std::function<absl::Status(ReportTransaction&)>& steps);
  // Parts of one transaction, each on its own: one that meets what does not decode (kDataLoss) is
  // logged and passed by, and the transaction made again without it.
  struct Steps {
    size_t count = 0;
    std::function<void()> begin;  // before each attempt: takes back what the one before counted
    std::function<absl::Status(ReportTransaction&, size_t)> one;
    std::function<void(ReportTransaction&)> end;
  };
  absl::Status EditEach(PurgeMode mode, const Steps& steps);

  // Steps of Expire(), under expiry_mutex_.
  absl::Status ExpireReceipts(const ExpiryClass& expiry, absl::Time cutoff, size_t limit,
                              ExpiryResult* result);
  // Receipts with the mark `tag`, in the order in which they came.
  absl::Status ExpireMarked(char tag, absl::Time cutoff, absl::Time raw_cutoff, size_t limit,
                            ExpiryResult* result);
  absl::Status ExpireTotals(DayNumber before, size_t limit, ExpiryResult* result);
  // A part of the index: what it remembers of days before.
  absl::Status ExpireEntries(DayNumber before, ExpiryResult* result);

  // Steps of Purge(). kCancelled: `progress` ended it.
  ReceiptId LastReceipt();
  // From *first on, which is then where another purge goes on.
  absl::Status PurgeReceipts(
      PurgeMode mode, const std::function<bool(const PurgeResult&)>& progress, PurgeResult* result,
      ReceiptId* first,
      const std::function<absl::Status(ReportTransaction&, StoredReceipt)>& purge);
  // Keys of [*from, to) that are `wanted`.
  absl::Status PurgeKeys(
      int family, std::string* from, const std::string& to, size_t limit,
      const std::function<bool(std::string_view, std::string_view)>& wanted,
      const std::function<bool(const PurgeResult&)>& progress, PurgeResult* result,
      const std::function<absl::Status(ReportTransaction&, const std::string&)>& purge);
  absl::Status PurgeDomain(const std::string& domain, PurgeMode mode,
                           const std::function<bool(const PurgeResult&)>& progress,
                           PurgeResult* result);
  absl::Status PurgeLeftOfDomain(const std::string& domain, ReceiptId last,
                                 const std::function<bool(const PurgeResult&)>& progress,
                                 PurgeResult* result);
  absl::Status PurgeIndexOfDomain(const std::string& domain,
                                  const std::function<bool(const PurgeResult&)>& progress,
                                  PurgeResult* result, std::string* next);
  absl::Status PurgeAddress(const IpAddress& address, PurgeMode mode,
                            const std::function<bool(const PurgeResult&)>& progress,
                            PurgeResult* result);
  // Writes what `transaction` holds. Under commit_mutex_.
  absl::Status Write(ReportTransaction& transaction, Sync sync);

  std::unique_ptr<RocksDb> db_;
  std::mutex commit_mutex_;  // guards what follows
  ReceiptId last_receipt_ = 0;
  uint64_t commit_ = 0;
  StringMap<DayTotals> totals_cache_;  // by DayDbKey; days that reports come for
  DayStamps stamps_;

  std::mutex expiry_mutex_;                            // guards what follows
  std::string next_entry_ = std::string(kFirstEntry);  // of the index; empty: it is done

  // Where a purge of a domain was ended, for the next one of the same domain.
  struct PurgePlace {
    std::string domain;
    ReceiptId next_receipt = 1;
    std::string next_entry = std::string(kFirstEntry);
  };
  std::mutex purge_mutex_;
  std::optional<PurgePlace> purge_place_;
};

class RocksReportReader final : public ReportReader,
                                public PendingReader,
                                public DayRevisionReader {
 public:
  // Follows the database in `primary`, with `directory` (created) for the follower's own log. Waits
  // up to `timeout` for the primary to be created; then kDeadlineExceeded.
  static absl::StatusOr<std::unique_ptr<RocksReportReader>> Follow(std::string primary,
                                                                   std::string directory,
                                                                   absl::Duration timeout);
  ~RocksReportReader() override;

  // kUnavailable, kDataLoss: what the follower has fits together no longer, so reads fail too until
  // a later CatchUp() succeeds.
  absl::Status CatchUp() override;
  uint64_t version() const override { return version_; }
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
  absl::StatusOr<std::string> ReadRaw(std::string_view raw_sha256) override;
  absl::StatusOr<std::string> ReadRawOf(ReceiptId receipt) override;
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
  RocksReportReader(std::string primary, std::string directory, std::string mark,
                    std::shared_ptr<RocksDb> db);
  // kUnavailable since a CatchUp() failed.
  absl::StatusOr<std::shared_ptr<const RocksDb>> db() const;
  absl::Status CatchUpOrBeginAnew();

  const std::string primary_, directory_;
  std::string mark_;           // guarded by catch_up_mutex_; see opening_mark.h
  std::mutex catch_up_mutex_;  // one CatchUp() at a time
  mutable std::mutex db_mutex_;
  std::shared_ptr<RocksDb> db_;  // replaced when following fails
  absl::Status broken_;          // of the last CatchUp()
  std::atomic<uint64_t> version_ = 0;
  uint64_t opened_ = 1;  // part of the version, should a sequence number come again
};

// What ReadTotals() must say, added up from the reports themselves: for tests and for `verify`.
absl::StatusOr<std::vector<DayTotals>> RecountTotals(ReportReader& reader, std::string_view domain,
                                                     DayNumber first, DayNumber last);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_ROCKS_REPORT_STORE_H_
