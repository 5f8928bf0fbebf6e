// ingestd/intake/retention.h
// How long what was received is kept, by class, and the timer that lets it go. What has expired at
// a moment is a pure decision; the store does it in steps of bounded size (ReportWriter::Expire),
// and a step that a kill took away is found again.

#ifndef DMARCATE_INGESTD_INTAKE_RETENTION_H_
#define DMARCATE_INGESTD_INTAKE_RETENTION_H_

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "ingestd/pipeline/pipeline.h"
#include "lib/base/clock.h"
#include "lib/store/report_store.h"

namespace dmarcate {

// InfiniteDuration: for ever.
struct Retention {
  absl::Duration failure = absl::Hours(24 * 30);     // bytes of failure reports
  absl::Duration raw = absl::Hours(24 * 90);         // bytes of everything else that was read
  absl::Duration quarantine = absl::Hours(24 * 90);  // what could not be read, with its bytes
  absl::Duration rows = absl::Hours(24 * 730);       // reports with their rows, and the receipts
  absl::Duration totals = absl::Hours(24 * 1826);    // daily totals
};

// What has passed its time at `now`. Times count from the receipt, those of totals from the day.
ExpiryCutoffs CutoffsAt(const Retention& retention, absl::Time now);

struct SweeperOptions {
  absl::Duration first_after = absl::Minutes(1);  // since Start()
  absl::Duration interval = absl::Hours(1);
  size_t step = 200;                               // receipts in one commit
  absl::Duration breath = absl::Milliseconds(20);  // between two, for those who wait to commit
};

class RetentionSweeper {
 public:
  // What is given by reference outlives it.
  RetentionSweeper(const Clock& clock, const Retention& retention, Pipeline& pipeline,
                   SweeperOptions options = SweeperOptions());
  ~RetentionSweeper();

  void Start();
  void Stop();  // after the step that runs

  // One sweep, to its end or to Stop(). The sum of what went.
  absl::StatusOr<ExpiryResult> Sweep();

 private:
  void Loop();
  // False: stopped.
  bool Wait(absl::Duration time);

  const Clock& clock_;
  const Retention retention_;
  Pipeline& pipeline_;
  const SweeperOptions options_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_RETENTION_H_
