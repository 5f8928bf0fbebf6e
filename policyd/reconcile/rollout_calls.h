// policyd/reconcile/rollout_calls.h
// What controllers of rollouts have in common, of whatever kind: going through all of them, and
// the calls of people who steer one.

#ifndef DMARCATE_POLICYD_RECONCILE_ROLLOUT_CALLS_H_
#define DMARCATE_POLICYD_RECONCILE_ROLLOUT_CALLS_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/store/rollout_store.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {

// One of the calls that wait for evidence, while it lives: `most` at a time, so that the others, an
// abort above all, find a thread.
class EvidenceWait {
 public:
  EvidenceWait(std::atomic<int>& count, int most)
      : count_(count), most_(most), before_(count.fetch_add(1)) {}
  ~EvidenceWait() { count_.fetch_sub(1); }
  EvidenceWait(const EvidenceWait&) = delete;
  EvidenceWait& operator=(const EvidenceWait&) = delete;

  //   kResourceExhausted RATE_LIMITED
  absl::Status status() const {
    if (before_ < most_) return absl::OkStatus();
    return MakeReasonedError(
        absl::StatusCode::kResourceExhausted, "RATE_LIMITED",
        fmt::format("{} others wait for the evidence of a rollout; try again", most_));
  }

 private:
  std::atomic<int>& count_;
  const int most_;
  const int before_;
};

// `act`, which gives an absl::StatusOr of a rollout. Who asks for something whatever the rollout is
// now (`revision` 0) is not told that it has gone on: that happens by itself, with any tick.
template <typename Act>
auto EvenIfOvertaken(uint64_t revision, Act act) {
  constexpr int kMostTries = 5;
  auto rollout = act();
  for (int i = 1; i < kMostTries && revision == 0 && !rollout.ok(); ++i) {
    const std::optional<ErrorReason> reason = ErrorReasonOf(rollout.status());
    if (!reason.has_value() || reason->code != "ETAG_MISMATCH") break;
    rollout = act();
  }
  return rollout;
}

// Calls `work`, which takes a RolloutRecord and gives an absl::Status, with every rollout of the
// store in turn, until `stopping`. Errors are logged as `event`, and the first one is returned; the
// others are worked on all the same.
template <typename Work>
absl::Status WorkOnRollouts(RolloutStore& store, const std::atomic<bool>& stopping,
                            std::string_view event, Work work) {
  constexpr size_t kPage = 500;
  absl::Status first_error;
  std::string domain;
  std::string id;
  while (true) {
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<RolloutRecord> page,
                              store.ListRollouts("-", domain, id, kPage));
    for (const RolloutRecord& record : page) {
      if (stopping.load(std::memory_order_relaxed)) return first_error;
      const absl::Status worked = work(record);
      if (worked.ok()) continue;
      LogWarn(event, {{"domain", record.domain}, {"rollout", record.id}, {"error", worked}});
      first_error.Update(worked);
    }
    if (page.size() < kPage) return first_error;
    domain = page.back().domain;
    id = page.back().id;
  }
}

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_ROLLOUT_CALLS_H_
