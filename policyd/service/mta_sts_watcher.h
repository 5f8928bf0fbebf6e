// policyd/service/mta_sts_watcher.h
// Looks at what is kept of rollouts of MTA-STS for what a person should know
// (policyd/watch/mta_sts_look.h), and writes it down as insights, which the alert desk tells of.

#ifndef DMARCATE_POLICYD_SERVICE_MTA_STS_WATCHER_H_
#define DMARCATE_POLICYD_SERVICE_MTA_STS_WATCHER_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "policyd/service/rollout_watcher.h"

namespace dmarcate {

// From one thread.
class MtaStsWatcher {
 public:
  // `world.rollouts`: those of MTA-STS.
  explicit MtaStsWatcher(const RolloutWatchWorld& world) : world_(world) {}

  // Every domain whose rollout has changed since it was looked at, and each once an hour. What
  // could not be read is logged, and looked at with the next tick.
  void Tick();

 private:
  struct Seen {
    std::string id;
    uint64_t revision = 0;
    absl::Duration looked;  // monotonic
  };

  // The last one of each domain.
  absl::StatusOr<std::map<std::string, RolloutRecord>> LastOfEach();
  absl::Status LookAt(const RolloutRecord& rollout);

  const RolloutWatchWorld world_;
  std::map<std::string, Seen> seen_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_MTA_STS_WATCHER_H_
