// policyd/service/record_watcher.h
// Looks at the names of every managed domain again and again, keeps what it sees, and writes down
// what people should know about it. What is due,
// and what a look means, is decided in policyd/watch; here it is done, within bounds: so many looks
// a second, so many domains at once, so many names of each, so long at one go. The names that a
// change has written are looked at again some seconds after it has ended.

#ifndef DMARCATE_POLICYD_SERVICE_RECORD_WATCHER_H_
#define DMARCATE_POLICYD_SERVICE_RECORD_WATCHER_H_

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/dns/resolver.h"
#include "lib/inspect/posture.h"
#include "lib/store/observation_store.h"
#include "lib/store/policy_store.h"
#include "policyd/reconcile/pacer.h"
#include "policyd/service/selectors.h"

namespace dmarcate {

class InsightBook;

struct WatchOptions {
  absl::Duration interval = absl::Hours(1);  // between two looks at a name
  int looks_per_second = 10;
  size_t domains_at_once = 4;
  size_t names_per_domain = 100;
  // After that a domain waits for its next turn, so that dead servers hold up nobody else.
  absl::Duration time_per_domain = absl::Minutes(2);
};

// What it works with; all outlives it.
struct WatchWorld {
  PolicyStore& policies;
  ObservationStore& observations;
  Resolver& resolver;
  AuthoritativeResolver& authoritative;
  const Clock& clock;
  Pacer& pacer;
  // DKIM selectors of a domain that reports name, as far as that is known now. Called once a round,
  // so it must be quick but now and then, and end soon after it is told to stop.
  std::function<Selectors(const std::string& domain)> selectors;
  // Where it writes what people should know; null: nowhere.
  InsightBook* insights = nullptr;
};

class RecordWatcher {
 public:
  RecordWatcher(const WatchWorld& world, const WatchOptions& options)
      : world_(world), options_(options) {}
  ~RecordWatcher() { Stop(); }
  RecordWatcher(const RecordWatcher&) = delete;
  RecordWatcher& operator=(const RecordWatcher&) = delete;

  // Looks from now on, on domains_at_once threads.
  void Start();
  // From now on no question begins; those in flight may take their own deadline.
  void BeginStop();
  // BeginStop(), and returns when the looks in flight have ended.
  void Stop();

  // All that is due now, on this thread. False: stopping.
  bool RunDue();

 private:
  class Round;
  // What the last change that has ended wrote.
  struct Written {
    absl::Time time = absl::InfinitePast();
    std::set<std::string> owners;
  };

  // Takes a domain that is due and nobody works on; nothing if there is none.
  std::optional<std::string> Take();
  // `seen`: the end of the last change that was known when the turn began.
  void GiveBack(const std::string& domain, absl::Duration next, absl::Time seen);
  absl::Status ReadDomains();
  absl::Status ReadChanges();
  Written WrittenIn(const std::string& domain);
  bool Stopping();
  // When the domain is due again, monotonic.
  absl::Duration LookAt(const std::string& domain);
  // Tells, now and then, that looks come later than they should. mutex_ is held.
  void TellIfBehind(absl::Duration now);
  // Waits for this look's turn. False: stopping.
  bool AwaitTurn();
  // Nothing: stopping.
  std::optional<RecordView> Look(const DomainName& owner, RrType type, ServerViews servers);

  const WatchWorld world_;
  const WatchOptions options_;
  std::vector<std::thread> threads_;

  std::mutex mutex_;  // guards what follows
  // Monotonic, since a clock that is set back must not keep from looking.
  std::map<std::string, absl::Duration> due_;
  std::set<std::string> taken_;
  std::map<std::string, Written> written_;
  absl::Duration domains_read_ = -absl::InfiniteDuration();
  absl::Duration changes_read_ = -absl::InfiniteDuration();
  absl::Duration told_behind_ = -absl::InfiniteDuration();
  absl::Duration next_turn_ = -absl::InfiniteDuration();
  bool stopping_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_RECORD_WATCHER_H_
