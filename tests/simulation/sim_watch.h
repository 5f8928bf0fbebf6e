// tests/simulation/sim_watch.h
// The watch of the DNS of one simulated domain: a look at each name once an hour, by the real code
// for histories and drift. It is asked to catch up with the clock before the DNS changes and before
// its memory is read; looks that would see nothing new are made in one.

#ifndef DMARCATE_TESTS_SIMULATION_SIM_WATCH_H_
#define DMARCATE_TESTS_SIMULATION_SIM_WATCH_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/store/insight_store.h"
#include "lib/store/observation_store.h"
#include "lib/store/policy_store.h"
#include "tests/simulation/sim_dns.h"

namespace dmarcate::simulation {

class SimWatch {
 public:
  static constexpr absl::Duration kInterval = absl::Hours(1);

  // All outlive it.
  SimWatch(std::string domain, SimDns& dns, PolicyStore& policies, const Clock& clock);

  void AddSelector(const std::string& selector);
  // The looks that are due by now.
  void CatchUp();

  const std::vector<Observation>& History(const std::string& owner, RecordKind kind) const;
  // By "<selector>._domainkey.<domain>".
  std::map<std::string, std::vector<Observation>> KeyHistories() const;
  // By owner: the domain's own SPF record, and what it includes.
  std::map<std::string, std::vector<Observation>> SpfHistories() const;
  std::vector<InsightRecord> Insights() const;

 private:
  std::map<std::string, std::vector<Observation>> HistoriesOf(RecordKind kind) const;
  void LookAt(const ObservedName& name, absl::Time when);
  void LookForDrift(absl::Time when);

  const std::string domain_;
  SimDns& dns_;
  PolicyStore& policies_;
  const Clock& clock_;
  std::set<ObservedName> names_;
  std::map<ObservedName, std::vector<Observation>> histories_;  // newest first
  std::map<std::string, InsightRecord> insights_;               // by code and owner
  absl::Time last_look_ = absl::InfinitePast();
  uint64_t seen_ = 0;  // generation of the DNS at the last look
  bool changed_ = true;
};

}  // namespace dmarcate::simulation

#endif  // DMARCATE_TESTS_SIMULATION_SIM_WATCH_H_
