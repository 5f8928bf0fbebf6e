// Looks at what is kept of rollouts for what a person should know (policyd/watch/rollout_look.h),
// and writes it down as insights, which the alert desk tells of.

#ifndef DMARCATE_POLICYD_SERVICE_ROLLOUT_WATCHER_H_
#define DMARCATE_POLICYD_SERVICE_ROLLOUT_WATCHER_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/store/policy_store.h"
#include "lib/store/rollout_store.h"
#include "policyd/service/insight_book.h"
#include "policyd/watch/rollout_look.h"

namespace dmarcate {

// All outlive it.
struct RolloutWatchWorld {
  PolicyStore& policies;
  RolloutStore& rollouts;
  InsightBook& insights;
  const Clock& clock;
};

// From one thread.
class RolloutWatcher {
 public:
  explicit RolloutWatcher(const RolloutWatchWorld& world) : world_(world) {}

  // Every domain of which a rollout has changed since it was looked at, and each once an hour.
  // What could not be read is logged, and looked at with the next tick.
  void Tick();

 private:
  using Revisions = std::vector<std::pair<std::string, uint64_t>>;  // by id
  struct Seen {
    Revisions revisions;
    absl::Duration looked;  // monotonic
  };

  absl::StatusOr<std::map<std::string, std::vector<RolloutRecord>>> ByDomain();
  absl::Status LookAt(const std::string& domain, const std::vector<RolloutRecord>& rollouts);
  absl::StatusOr<RolloutSight> Read(const RolloutRecord& rollout);

  const RolloutWatchWorld world_;
  std::map<std::string, Seen> seen_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_ROLLOUT_WATCHER_H_
