// Tells people: decides again and again which insights are to be told (policyd/alert), writes that
// into the journal, and delivers what stands there. What was decided is journaled before it is
// sent, and what was sent after: killed in between, it is sent again with the same id.

#ifndef DMARCATE_POLICYD_SERVICE_ALERT_DESK_H_
#define DMARCATE_POLICYD_SERVICE_ALERT_DESK_H_

#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/rpc/call.h"
#include "lib/store/alert_store.h"
#include "lib/store/insight_store.h"
#include "lib/store/policy_store.h"
#include "policyd/alert/decide.h"
#include "policyd/alert/digest.h"
#include "policyd/notify/notifier.h"
#include "policyd/service/analysis_cache.h"

namespace dmarcate {

// All outlives the desk.
struct AlertWorld {
  PolicyStore& policies;
  InsightStore& insights;
  AlertStore& alerts;
  AnalysisCache& analysis;  // for the digest
  Notifier& notifier;
  const Clock& clock;
};

struct AlertOptions {
  AlertRules rules = {};
  std::optional<DigestTime> digest = {};  // nothing: none is made
  absl::Duration keep = absl::Hours(90 * 24);
  size_t keep_most = 10'000;
};

// Tick() and Stop() from one thread each; the others from any.
class AlertDesk {
 public:
  AlertDesk(const AlertWorld& world, const AlertOptions& options)
      : world_(world), options_(options) {}

  // Decides, and delivers what is due. Errors are logged; what could not be done is done later.
  void Tick();
  // A delivery in flight ends within a second, and no further one begins.
  void Stop() { stopping_.store(true, std::memory_order_relaxed); }

  // Sends one message through the channel, once, and journals what became of it.
  absl::StatusOr<DeliveryRecord> Test(const AlertChannelRecord& channel);
  // `domains`: names; empty: all that are managed.
  absl::StatusOr<Digest> DigestNow(const Call& call, std::vector<std::string> domains);

 private:
  using Place = std::pair<absl::Time, std::string>;  // of a delivery in the journal

  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }
  // A time after all that were given out, since ids follow from it.
  absl::Time NextTime();
  absl::Status ReadJournal();
  // Decides, and delivers what is due.
  void Tell();
  absl::Status Decide();
  absl::Status MakeDigests();
  // `between`: called before each domain.
  absl::StatusOr<Digest> MakeDigestOf(const Call& call, std::vector<std::string> domains,
                                      const std::function<void()>& between);
  void Deliver();
  // Sends it and writes what became of it.
  absl::Status Attempt(const AlertChannelRecord& channel, DeliveryRecord& delivery);
  // Without sending it.
  absl::Status GiveUp(DeliveryRecord& delivery, const std::string& why);
  absl::Status Prune();

  const AlertWorld world_;
  const AlertOptions options_;
  std::atomic<bool> stopping_ = false;

  // Of the thread that ticks.
  bool journal_read_ = false;
  std::map<Place, DeliveryRecord> pending_;
  // Channels that failed: not before that, monotonic, so that a dead one costs one attempt, not one
  // for each message.
  std::map<std::string, absl::Duration> not_before_;
  absl::Duration told_ = -absl::InfiniteDuration();  // when Tell() ended, monotonic
  absl::Duration pruned_ = -absl::InfiniteDuration();

  std::mutex mutex_;  // guards what follows
  absl::Time last_time_ = absl::InfinitePast();
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_ALERT_DESK_H_
