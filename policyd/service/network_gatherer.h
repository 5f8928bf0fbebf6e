// Asks the DNS, in the background, what helps to tell whose an address is: the live SPF ranges of
// the catalogue's services, the terms of each domain's own record, and the names of addresses in
// reports, confirmed both ways. What it learns it puts into the NetworkBook; who decides reads
// there and asks nobody.
//
// Unknown is never absent: what was learned stays in use, while the DNS is silent, for `keep`; an
// answer, be it that there is nothing, takes its place at once.
//
// Bounded: so many questions a second, so many addresses in all and of one domain, so much of one
// SPF tree (SpfTreeBudget).

#ifndef DMARCATE_POLICYD_SERVICE_NETWORK_GATHERER_H_
#define DMARCATE_POLICYD_SERVICE_NETWORK_GATHERER_H_

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/base/ip_address.h"
#include "lib/dns/resolver.h"
#include "lib/inspect/spf_tree.h"
#include "policyd/analysis/catalogue.h"
#include "policyd/analysis/statistics.h"
#include "policyd/reconcile/pacer.h"
#include "policyd/service/catalogue_book.h"
#include "policyd/service/network_book.h"

namespace dmarcate {

struct GatherOptions {
  int lookups_per_second = 5;
  size_t addresses = 50'000;            // remembered; those wanted longest ago go first
  size_t addresses_per_domain = 2'000;  // with most messages
  size_t domains = 10'000;              // whose own record is remembered
  absl::Duration ranges_for = absl::Hours(12);
  absl::Duration names_for = absl::Hours(3 * 24);
  absl::Duration retry = absl::Hours(1);      // after a question that taught nothing
  absl::Duration keep = absl::Hours(7 * 24);  // of what was learned, while the DNS is silent
  // New evidence makes statistics be computed anew, so it is not put into the book more often than
  // that: while there is work, and when all that was due is done.
  absl::Duration publish = absl::Minutes(10), publish_done = absl::Minutes(1);
};

class NetworkGatherer {
 public:
  // All outlive it.
  NetworkGatherer(NetworkBook& book, const Catalogue& catalogue, Resolver& resolver,
                  const Clock& clock, Pacer& pacer, const GatherOptions& options = {});
  ~NetworkGatherer() { Stop(); }
  NetworkGatherer(const NetworkGatherer&) = delete;
  NetworkGatherer& operator=(const NetworkGatherer&) = delete;

  // From now on the catalogue is that of `book`, which outlives this. Before Start().
  void Follow(const CatalogueBook& book) { catalogue_book_ = &book; }

  // These addresses sent as the domain: of interest are those whose mail says no service by itself.
  // Thread-safe.
  void Want(const DomainStatistics& statistics);

  void Start();      // on a thread of its own
  void BeginStop();  // no question begins any more
  void Stop();

  // All that is due now, on this thread; then the book is up to date. False: stopping.
  bool RunDue();

 private:
  class TurnResolver;
  // When something was learned and when to ask again; monotonic, so that a clock that is set does
  // not make everything due or nothing.
  struct Age {
    absl::Duration learned = -absl::InfiniteDuration();
    absl::Duration due = -absl::InfiniteDuration();
  };
  struct Include {
    const MailService* service = nullptr;
    std::vector<IpNetwork> networks;
    Age age;
  };
  struct Domain {
    Age age;
    // No report of the last days has mail of it, so that none tells its selectors.
    bool silent = true;
    absl::Duration selectors_due = -absl::InfiniteDuration();  // while it is silent
  };
  struct Name {
    std::string name;  // empty: it has none, if anything was learned
    absl::Duration wanted;
    Age age;
  };

  // The includes of the catalogue as it is now, if it is another one than the last time.
  void ReadCatalogue();
  bool Stopping();
  bool AwaitTurn();
  void LookAtIncludes();
  void LookAtDomains();
  // What the domain's DNS says of its senders. `tree`: of its SPF record; `learned`: all of it is
  // known, be it that there is none. False: not all else could be read.
  bool LookAtDeclared(const DomainName& domain, const absl::StatusOr<SpfTree>& tree, bool learned,
                      bool with_selectors);
  void LookAtNames();
  // The confirmed name of the address, best one first; empty: it has none.
  absl::StatusOr<std::string> ConfirmedName(const IpAddress& address);
  void Forget(absl::Duration now);
  // Unless nothing has changed, or less than `pause` has passed since the last time.
  void Publish(absl::Duration pause);

  NetworkBook& book_;
  const Catalogue& catalogue_;
  const CatalogueBook* catalogue_book_ = nullptr;
  Resolver& resolver_;
  const Clock& clock_;
  Pacer& pacer_;
  const GatherOptions options_;
  std::thread thread_;

  // Of the thread that gathers.
  std::shared_ptr<const Catalogue> read_;  // whose includes these are
  std::map<std::string, Include> includes_;
  absl::Duration published_;
  absl::Duration next_turn_ = -absl::InfiniteDuration();
  bool changed_ = false;

  std::mutex mutex_;  // guards what follows
  std::map<IpAddress, Name> names_;
  std::map<std::string, Domain> domains_;
  bool stopping_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_NETWORK_GATHERER_H_
