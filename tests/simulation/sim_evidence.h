// tests/simulation/sim_evidence.h
// The evidence of a simulated rollout: gathered from the simulated stores, DNS and watch, judged by
// the same pure builders as policyd's own (policyd/service/rollout_evidence.cc does the same
// reads). What did not change since is not built again.

#ifndef DMARCATE_TESTS_SIMULATION_SIM_EVIDENCE_H_
#define DMARCATE_TESTS_SIMULATION_SIM_EVIDENCE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/clock.h"
#include "lib/inspect/posture.h"
#include "lib/store/policy_store.h"
#include "lib/store/rollout_rules_store.h"
#include "policyd/evidence/report_evidence.h"
#include "policyd/reconcile/evidence_gatherer.h"
#include "tests/simulation/report_shelf.h"
#include "tests/simulation/sim_dns.h"
#include "tests/simulation/sim_watch.h"

namespace dmarcate::simulation {

// What is true of policyd and ingestd around a domain, and nobody's record says.
struct Surroundings {
  // Not writable: a policyd that is read-only (policyd/provider/read_only.h).
  bool suspended = false, writable = true, proven = true, disk_full = false;
  bool reports_readable = true;
  int64_t queued = 0;  // received and not yet read
};

class SimEvidence final : public EvidenceGatherer {
 public:
  struct Site {
    const ReportShelf& shelf;
    SimWatch& watch;
    const Surroundings& around;
  };

  SimEvidence(PolicyStore& policies, RolloutRulesStore& rules, SimDns& dns, const Clock& clock)
      : policies_(policies), rules_(rules), dns_(dns), clock_(clock) {}
  void Add(const std::string& domain, const Site& site) { sites_.emplace(domain, site); }
  // What a mutant makes of the evidence.
  void Spoil(std::function<void(const RolloutState&, absl::Time, Evidence&)> spoil) {
    spoil_ = std::move(spoil);
  }

  Evidence Gather(const RolloutState& state, absl::Time now) override;
  Evidence GatherControl(const RolloutState& state, absl::Time now) override;
  absl::Time StageSince(const RolloutState& state, absl::Time now) override;
  std::string DecisionsEtag(std::string_view domain) override;

  // Of all built so far: how often from scratch.
  int64_t built() const { return built_; }
  int64_t gathered() const { return gathered_; }

 private:
  struct Cache {
    std::string key;
    ReportEvidence reports;
    std::string records_key;
    SpfPosture spf;
    DmarcPosture dmarc;
  };
  Evidence Control(const RolloutState& state);
  void AddRecords(const Site& site, const RolloutState& state, absl::Time now, Cache& cache,
                  Evidence& evidence);
  void AddReports(const Site& site, absl::Time now, Cache& cache, Evidence& evidence);

  PolicyStore& policies_;
  RolloutRulesStore& rules_;
  SimDns& dns_;
  const Clock& clock_;
  std::map<std::string, Site, std::less<>> sites_;
  std::map<std::string, Cache> caches_;
  std::function<void(const RolloutState&, absl::Time, Evidence&)> spoil_;
  int64_t built_ = 0, gathered_ = 0;
};

}  // namespace dmarcate::simulation

#endif  // DMARCATE_TESTS_SIMULATION_SIM_EVIDENCE_H_
