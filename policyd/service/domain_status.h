// policyd/service/domain_status.h
// Where a domain stands, gathered from what is stored: no server is asked. Each part reads for
// itself, so one that cannot be read hides no other.

#ifndef DMARCATE_POLICYD_SERVICE_DOMAIN_STATUS_H_
#define DMARCATE_POLICYD_SERVICE_DOMAIN_STATUS_H_

#include "dmarcate/v1/status.pb.h"
#include "lib/rpc/call.h"
#include "lib/store/insight_store.h"
#include "lib/store/observation_store.h"
#include "lib/store/policy_store.h"
#include "lib/store/rollout_store.h"
#include "policyd/service/handler.h"

namespace dmarcate {

// All outlive it. Thread-safe.
class DomainStatusGatherer {
 public:
  DomainStatusGatherer(const ServiceParts& parts, ObservationStore& observations,
                       InsightStore& insights, RolloutStore& rollouts, RolloutStore& mta_sts)
      : parts_(parts),
        observations_(observations),
        insights_(insights),
        rollouts_(rollouts),
        mta_sts_(mta_sts) {}

  // All but standing, reason and next command (domain_status_judgement.h).
  v1::DomainStatus Gather(const Call& call, const DomainRecord& domain,
                          v1::GetDomainStatusRequest::View view);

 private:
  void AddRecords(const DomainRecord& domain, v1::DomainStatus* out);
  void AddMail(const Call& call, const DomainRecord& domain, v1::DomainStatus* out);
  void AddInsights(const DomainRecord& domain, v1::DomainStatus* out);
  void AddRollouts(const DomainRecord& domain, v1::DomainStatus* out);
  void AddMtaSts(const DomainRecord& domain, v1::DomainStatus* out);
  void AddChanges(const DomainRecord& domain, v1::DomainStatus* out);

  const ServiceParts& parts_;
  ObservationStore& observations_;
  InsightStore& insights_;
  RolloutStore& rollouts_;
  RolloutStore& mta_sts_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_DOMAIN_STATUS_H_
