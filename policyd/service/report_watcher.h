// Reads the reports of every managed domain again and again, for what nobody should have to ask
// for: what a person should know about its mail (policyd/watch/report_look.h), and which addresses
// to learn the names of, and who passes on mail (learned_forwarders.h). One domain after the other,
// each once an interval, and only if reports have come since or the day is another one. What a
// person decides about a source is seen within half a minute, so that nobody is told of what was
// settled meanwhile.

#ifndef DMARCATE_POLICYD_SERVICE_REPORT_WATCHER_H_
#define DMARCATE_POLICYD_SERVICE_REPORT_WATCHER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/rpc/call.h"
#include "lib/store/policy_store.h"
#include "policyd/analysis/learned_forwarders.h"
#include "policyd/reconcile/pacer.h"
#include "policyd/service/analysis_cache.h"
#include "policyd/service/insight_book.h"
#include "policyd/service/network_book.h"
#include "policyd/service/network_gatherer.h"
#include "policyd/service/report_follower.h"

namespace dmarcate {

// All outlives the watcher.
struct ReportWatchWorld {
  PolicyStore& policies;
  const ReportFollower& reports;
  AnalysisCache& analysis;
  const Clock& clock;
  Pacer& pacer;
  const PublicSuffixList& suffixes;
  InsightBook* insights = nullptr;      // null: nothing is written down
  NetworkGatherer* gatherer = nullptr;  // null: no addresses are wanted
  NetworkBook* network = nullptr;       // null: no forwarders are learned
};

class ReportWatcher {
 public:
  ReportWatcher(const ReportWatchWorld& world, absl::Duration interval)
      : world_(world), interval_(interval) {}
  ~ReportWatcher() { Stop(); }
  ReportWatcher(const ReportWatcher&) = delete;
  ReportWatcher& operator=(const ReportWatcher&) = delete;

  void Start();
  void BeginStop();  // ends what is being read
  void Stop();

  // All domains that are due, on this thread. False: stopping.
  bool RunDue();

 private:
  // Source ids with the revisions of what was decided about them.
  using Decisions = std::vector<std::pair<std::string, uint64_t>>;
  struct Seen {
    absl::Duration due = -absl::InfiniteDuration();        // monotonic, as the others
    absl::Duration retry = -absl::InfiniteDuration();      // not before, after a failure
    absl::Duration decisions = -absl::InfiniteDuration();  // asked for again
    uint64_t version = 0;
    int32_t day = 0;
    Decisions decided;
  };

  // Whether people have decided since; asks now and then. False where that is not known.
  bool HasOtherDecisions(const std::string& domain, Seen& seen);

  // Of what is managed no more.
  void Forget(const std::vector<DomainRecord>& managed);
  // Once after a start, before anything is told: what the domains show together, so that nobody is
  // told of a sender that the others know as a forwarder. False: stopping.
  bool LearnFirst(const std::vector<DomainRecord>& managed);
  absl::StatusOr<std::shared_ptr<const DomainStatistics>> Month(const Call& call,
                                                                const std::string& domain);
  bool stopping();
  absl::Status LookAt(const DomainRecord& domain);
  absl::Status TellInsights(const Call& call, const std::string& domain);
  // Runs `read` with a call that BeginStop() cancels.
  template <typename Read>
  absl::Status Reading(Read&& read);

  const ReportWatchWorld world_;
  const absl::Duration interval_;
  std::thread thread_;
  std::map<std::string, Seen, std::less<>> seen_;  // of the thread that looks, as the next
  ForwarderLedger forwarders_;
  bool learned_ = false;

  std::mutex mutex_;  // guards what follows
  bool stopping_ = false;
  Call* reading_ = nullptr;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_REPORT_WATCHER_H_
