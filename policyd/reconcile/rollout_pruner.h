// policyd/reconcile/rollout_pruner.h
// Keeps the log of a rollout from growing for ever: a decision that is written down once a day
// holds all that it was made from. What explains where the rollout stands now is never forgotten.

#ifndef DMARCATE_POLICYD_RECONCILE_ROLLOUT_PRUNER_H_
#define DMARCATE_POLICYD_RECONCILE_ROLLOUT_PRUNER_H_

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/store/rollout_store.h"

namespace dmarcate {

// So many decisions that neither changed anything nor called a person are kept, one a day,
inline constexpr size_t kQuietEntriesKept = 120;
// and so many of those that did call one, or came to nothing. For ever: what a person said, what
// was published, and the decision that it was published for. By their number, not by their age: a
// clock that is set wrong forgets nothing.
inline constexpr size_t kTroubleEntriesKept = 300;

// Of a whole log, newest first, the ids that may go. Nothing but id, event, alert and change_id is
// looked at. Pure.
std::vector<std::string> EntriesToForget(const std::vector<RolloutLogRecord>& log);

// Thread-safe. `store` and `clock` outlive it.
class RolloutPruner {
 public:
  RolloutPruner(RolloutStore& store, const Clock& clock) : store_(store), clock_(clock) {}

  // Once a week for each rollout, by the monotonic clock, and for one in ten minutes, as whole logs
  // are read; else nothing.
  absl::Status Prune(const RolloutRecord& rollout);

 private:
  bool IsTime(const RolloutRecord& rollout);

  RolloutStore& store_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, absl::Duration> pruned_;  // by domain, id
  absl::Duration last_ = -absl::InfiniteDuration();
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_ROLLOUT_PRUNER_H_
