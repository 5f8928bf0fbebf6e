// policyd/service/mta_sts_evidence.h
// Gathers what an MTA-STS ladder is decided by: TLS reports, mail servers, the file as it is
// served, the live DNS, and what this policyd may do. What each means is decided in
// policyd/evidence and policyd/mta_sts.

#ifndef DMARCATE_POLICYD_SERVICE_MTA_STS_EVIDENCE_H_
#define DMARCATE_POLICYD_SERVICE_MTA_STS_EVIDENCE_H_

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/dns/resolver.h"
#include "lib/store/insight_store.h"
#include "lib/store/policy_store.h"
#include "lib/store/rollout_rules_store.h"
#include "policyd/reconcile/sts_evidence_gatherer.h"
#include "policyd/reconcile/sts_file_source.h"
#include "policyd/service/record_service.h"  // InboundLook
#include "policyd/service/report_follower.h"

namespace dmarcate {

// All outlive it.
struct StsSources {
  PolicyStore& policies;
  InsightStore& insights;
  const ReportFollower& reports;
  Resolver& resolver;
  AuthoritativeResolver& authoritative;
  StsFileSource& files;
  InboundLook look;
  const Clock& clock;
  std::vector<std::string> directories = {};  // of both stores: room on their disks
  bool read_only = false;                     // policyd writes no DNS
  RolloutRulesStore* rules = nullptr;         // null: nobody can set any
};

// Thread-safe. Remembers the last look at each domain's mail servers and file, in memory alone: how
// often something was seen in a row begins anew with the process.
class MtaStsEvidence final : public StsEvidenceGatherer {
 public:
  // Strangers' servers are not asked again sooner, however often somebody asks here.
  static constexpr absl::Duration kMxAgain = absl::Minutes(10);
  static constexpr absl::Duration kFileAgain = absl::Seconds(20);

  explicit MtaStsEvidence(StsSources sources) : from_(std::move(sources)) {}

  StsEvidence Gather(const StsState& state, absl::Time now) override;
  // A look at mail servers that goes on ends soon, and none begins.
  void BeginStop() { stopping_.store(true, std::memory_order_relaxed); }

 private:
  struct Sights {
    MxEvidence mx;
    FileEvidence file;
    absl::Duration mx_asked = -absl::InfiniteDuration();  // monotonic
    absl::Duration file_asked = -absl::InfiniteDuration();
  };

  void AddRecords(const StsState& state, const DomainName& domain, absl::Time now,
                  StsEvidence& evidence);
  void AddFile(const DomainName& domain, absl::Time now, StsEvidence& evidence);
  void AddMx(const DomainName& domain, absl::Time now, StsEvidence& evidence);
  void AddReports(const StsState& state, absl::Time now, StsEvidence& evidence);
  Sights SightsOf(const DomainName& domain);

  const StsSources from_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::map<DomainName, Sights> sights_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_MTA_STS_EVIDENCE_H_
