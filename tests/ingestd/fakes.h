// tests/ingestd/fakes.h
// A parser of two-word reports and a store whose commits a test can hold, count and fail.

#ifndef DMARCATE_TESTS_INGESTD_FAKES_H_
#define DMARCATE_TESTS_INGESTD_FAKES_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "ingestd/pipeline/pipeline.h"
#include "lib/store/fake_report_store.h"
#include "lib/unpack/unpack.h"

namespace dmarcate::ingest_testing {

// "report DOMAIN ID" is an aggregate report with one row of one message; anything else is
// quarantined.
Unpacked FakeUnpack(std::string content, const UnpackHints& hints);

Delivery MakeDelivery(std::string content);

// Delegates to a FakeReportStore. Thread-safe.
class ObservedStore final : public ReportWriter {
 public:
  struct Seen {
    size_t accepted = 0, processed = 0;
    Sync sync = Sync::kNo;
  };
  // Commits wait until Release().
  void Hold();
  void Release();
  void AwaitHeld();  // until a commit waits
  std::vector<Seen> seen() const;
  // Commits for which `predicate` holds fail with `error` and write nothing.
  void FailIf(std::function<bool(const CommitBatch&)> predicate, absl::Status error);
  // The next `times` calls of ReadRaw() fail with `error`.
  void FailReading(int times, absl::Status error);
  // Receipts that are stored do not decode. Before others use the store.
  void LoseReceipts() { lost_receipts_ = absl::DataLossError("a receipt does not decode"); }
  FakeReportStore& fake() { return fake_; }

  absl::StatusOr<CommitResult> Commit(CommitBatch batch, Sync sync) override;
  absl::StatusOr<ReleaseResult> CheckRelease(const ReleasedReport& released) override {
    return fake_.CheckRelease(released);
  }
  absl::StatusOr<std::vector<Receipt>> Pending(size_t limit) override {
    if (!lost_receipts_.ok()) return lost_receipts_;
    return fake_.Pending(limit);
  }
  absl::StatusOr<std::optional<std::vector<ReceiptItem>>> FindByRaw(
      std::string_view raw_sha256) override {
    if (!lost_receipts_.ok()) return lost_receipts_;
    return fake_.FindByRaw(raw_sha256);
  }
  absl::StatusOr<StoredReceipt> GetReceipt(ReceiptId id) override { return fake_.GetReceipt(id); }
  absl::StatusOr<std::string> ReadRaw(std::string_view raw_sha256) override;
  absl::StatusOr<UnreadablePage> ListUnreadable(std::optional<ItemPlace> from,
                                                size_t limit) override {
    return fake_.ListUnreadable(from, limit);
  }
  absl::StatusOr<ExpiryResult> Expire(const ExpiryCutoffs& cutoffs, size_t limit) override {
    return fake_.Expire(cutoffs, limit);
  }
  absl::StatusOr<PurgeResult> Purge(
      const PurgeTarget& target, PurgeMode mode,
      const std::function<bool(const PurgeResult&)>& progress) override {
    return fake_.Purge(target, mode, progress);
  }
  absl::Status VerifyTotals(std::string_view domain,
                            const std::function<bool(const DayCheck&)>& visit) override {
    return fake_.VerifyTotals(domain, visit);
  }

 private:
  FakeReportStore fake_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false, waiting_ = false;
  std::vector<Seen> seen_;
  std::function<bool(const CommitBatch&)> fails_;
  absl::Status error_;
  absl::Status lost_receipts_;
  int failing_reads_ = 0;
  absl::Status read_error_;
};

}  // namespace dmarcate::ingest_testing

#endif  // DMARCATE_TESTS_INGESTD_FAKES_H_
