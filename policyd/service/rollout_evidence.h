// policyd/service/rollout_evidence.h
// Gathers what a rollout is decided by: reports, the live DNS, what the watch remembers, and what
// this policyd may do. What each means is decided in policyd/evidence and policyd/rollout.

#ifndef DMARCATE_POLICYD_SERVICE_ROLLOUT_EVIDENCE_H_
#define DMARCATE_POLICYD_SERVICE_ROLLOUT_EVIDENCE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/dns/resolver.h"
#include "lib/store/grouping_store.h"
#include "lib/store/insight_store.h"
#include "lib/store/observation_store.h"
#include "lib/store/policy_store.h"
#include "lib/store/rollout_rules_store.h"
#include "policyd/analysis/catalogue.h"
#include "policyd/evidence/report_evidence.h"
#include "policyd/reconcile/evidence_gatherer.h"
#include "policyd/service/catalogue_book.h"
#include "policyd/service/report_follower.h"

namespace dmarcate {

// All outlive it.
struct RolloutSources {
  PolicyStore& policies;
  ObservationStore& observations;
  InsightStore& insights;
  const ReportFollower& reports;
  Resolver& resolver;
  AuthoritativeResolver& authoritative;
  const Catalogue& catalogue;
  const Clock& clock;
  absl::Duration watch_interval = absl::Hours(1);  // between two looks at a name; zero: no watch
  std::vector<std::string> directories = {};       // of both stores: room on their disks
  GroupingStore* groupings = nullptr;              // null: nobody has grouped anything
  const CatalogueBook* book = nullptr;  // in place of `catalogue`; null: that never changes
  RolloutRulesStore* rules = nullptr;   // null: nobody has set any
  bool read_only = false;               // policyd writes no DNS
};

// Thread-safe.
class RolloutEvidence final : public EvidenceGatherer {
 public:
  explicit RolloutEvidence(RolloutSources sources) : from_(std::move(sources)) {}

  Evidence Gather(const RolloutState& state, absl::Time now) override;
  Evidence GatherControl(const RolloutState& state, absl::Time now) override;
  absl::Time StageSince(const RolloutState& state, absl::Time now) override;
  std::string DecisionsEtag(std::string_view domain) override;

 private:
  void AddRecords(const RolloutState& state, absl::Time now, Evidence& evidence);
  // False: the reports could not be read, all of them.
  bool AddReports(const RolloutState& state, absl::Time now, Evidence& evidence);
  void AddIngest(const RolloutState& state, absl::Time now, const ReportEvidence* reports,
                 Evidence& evidence);
  void AddBreakages(const RolloutState& state, absl::Time now,
                    const std::vector<SourceSelectors>& selectors, Evidence& evidence);

  const RolloutSources from_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_ROLLOUT_EVIDENCE_H_
