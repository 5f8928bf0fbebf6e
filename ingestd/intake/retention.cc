#include "ingestd/intake/retention.h"

#include <algorithm>
#include <limits>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/thread.h"
#include "lib/base/time.h"
#include "lib/store/report_rules.h"

namespace dmarcate {
namespace {

void Add(const ExpiryResult& step, ExpiryResult* sum) {
  sum->receipts += step.receipts;
  sum->raw += step.raw;
  sum->quarantined += step.quarantined;
  sum->reports += step.reports;
  sum->days += step.days;
  sum->raw_bytes += step.raw_bytes;
}

bool Empty(const ExpiryResult& result) { return result == ExpiryResult{.more = result.more}; }

}  // namespace

ExpiryCutoffs CutoffsAt(const Retention& retention, absl::Time now) {
  ExpiryCutoffs out;
  out.failure = now - retention.failure;
  out.raw = now - retention.raw;
  out.quarantine = now - retention.quarantine;
  out.rows = now - retention.rows;
  if (retention.totals != absl::InfiniteDuration()) {
    out.totals = std::clamp<DayNumber>(DayOf(now - retention.totals), 0, kLastReportDay);
  }
  return out;
}

RetentionSweeper::RetentionSweeper(const Clock& clock, const Retention& retention,
                                   Pipeline& pipeline, SweeperOptions options)
    : clock_(clock), retention_(retention), pipeline_(pipeline), options_(options) {}

RetentionSweeper::~RetentionSweeper() { Stop(); }

void RetentionSweeper::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void RetentionSweeper::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool RetentionSweeper::Wait(absl::Duration time) {
  std::unique_lock lock(mutex_);
  return !stopped_.wait_for(lock, absl::ToChronoMilliseconds(time), [this] { return stopping_; });
}

void RetentionSweeper::Loop() {
  NameThread("retention");
  for (absl::Duration wait = options_.first_after; Wait(wait); wait = options_.interval) {
    if (const auto swept = Sweep(); !swept.ok()) {
      LogError("sweep_failed", {{"error", swept.status()}});
    }
  }
}

absl::StatusOr<ExpiryResult> RetentionSweeper::Sweep() {
  const ExpiryCutoffs cutoffs = CutoffsAt(retention_, clock_.Now());
  ExpiryResult sum;
  do {
    DMARCATE_ASSIGN_OR_RETURN(const ExpiryResult step, pipeline_.Expire(cutoffs, options_.step));
    Add(step, &sum);
    if (!step.more) break;
  } while (Wait(options_.breath));
  if (!Empty(sum)) {
    LogInfo("expired", {{"receipts", sum.receipts},
                        {"raw", sum.raw},
                        {"raw_bytes", sum.raw_bytes},
                        {"quarantined", sum.quarantined},
                        {"reports", sum.reports},
                        {"days", sum.days}});
  }
  return sum;
}

}  // namespace dmarcate
