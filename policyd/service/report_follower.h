// policyd/service/report_follower.h
// The reports store as policyd sees it: ingestd makes it, perhaps later than policyd starts, so it
// is waited for without failing; afterwards it is followed on a timer (Ticker), never per query.

#ifndef DMARCATE_POLICYD_SERVICE_REPORT_FOLLOWER_H_
#define DMARCATE_POLICYD_SERVICE_REPORT_FOLLOWER_H_

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/store/report_store.h"

namespace dmarcate {

inline constexpr absl::Duration kFollowInterval = absl::Seconds(1);

// Thread-safe.
class ReportFollower {
 public:
  using Opener = std::function<absl::StatusOr<std::unique_ptr<ReportReader>>()>;

  explicit ReportFollower(Opener opener) : opener_(std::move(opener)) {}

  // Called once, when the store is there; at once if it is.
  void CallWhenReady(std::function<void()> on_ready);

  // Opens the store, or takes in what was written since. One at a time. The error is logged, once
  // for each new kind, and kept for Reader().
  absl::Status Tick();

  // Valid as long as the follower.
  //   kUnavailable STARTING  ingestd has not made its store yet
  absl::StatusOr<ReportReader*> Reader() const;

 private:
  absl::Status OpenOrCatchUp();

  const Opener opener_;
  std::mutex tick_mutex_;
  mutable std::mutex mutex_;  // guards what follows
  absl::Status last_error_;
  std::unique_ptr<ReportReader> reader_;  // never replaced
  std::function<void()> on_ready_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_REPORT_FOLLOWER_H_
