// bench/intake.h
// The daemon's own pipeline over a store of its own, which a benchmark hands mails to.

#ifndef DMARCATE_BENCH_INTAKE_H_
#define DMARCATE_BENCH_INTAKE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "bench/full_path_limit.h"
#include "ingestd/pipeline/byte_budget.h"
#include "ingestd/pipeline/crash_journal.h"
#include "ingestd/pipeline/pipeline.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/rocks_report_store.h"

namespace dmarcate::bench {

// Submit() and Finish() on one thread.
class Intake {
 public:
  // Begins with an empty store in `directory`; what was there is removed.
  static absl::StatusOr<std::unique_ptr<Intake>> Start(const std::string& directory,
                                                       int parse_threads);

  // Waits while the pipeline is full. A `round` above 0 makes other reports of the same mail: they
  // say the same of a time so many times 90 days later, under other ids.
  void Submit(const std::string& mail, int round);
  // Until everything is stored. What the reports that were accepted say together. An error if a
  // mail did not become durable or could not be stored.
  absl::StatusOr<Counted> Finish();

  RocksReportWriter& store() { return *store_; }

 private:
  Intake(std::unique_ptr<RocksReportWriter> store, std::unique_ptr<CrashJournal> crashes,
         std::unique_ptr<const PublicSuffixList> suffixes, int parse_threads);
  void Note(const absl::StatusOr<std::vector<ReceiptItem>>& items);

  const std::unique_ptr<RocksReportWriter> store_;
  const std::unique_ptr<CrashJournal> crashes_;
  const std::unique_ptr<const PublicSuffixList> suffixes_;
  ByteBudget budget_;
  int64_t submitted_ = 0;
  std::mutex mutex_;  // guards what the pipeline's answers write
  int64_t durable_ = 0;
  Counted counted_;
  absl::Status failed_;
  Pipeline pipeline_;  // last: its threads use what stands above
};

}  // namespace dmarcate::bench

#endif  // DMARCATE_BENCH_INTAKE_H_
