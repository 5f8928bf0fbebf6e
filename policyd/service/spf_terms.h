// policyd/service/spf_terms.h
// Gathers what each term of a domain's live SPF record let through: the record as receivers see it,
// the reports, and the decisions. What follows is decided in policyd/analysis/spf_pruning.h.

#ifndef DMARCATE_POLICYD_SERVICE_SPF_TERMS_H_
#define DMARCATE_POLICYD_SERVICE_SPF_TERMS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "dmarcate/v1/change.pb.h"
#include "lib/dns/resolver.h"
#include "policyd/analysis/spf_pruning.h"
#include "policyd/plan/prune_plan.h"
#include "policyd/service/handler.h"
#include "policyd/service/report_follower.h"

namespace dmarcate {

struct SpfTermsSeen {
  std::string record;  // with flattened terms in their places
  SpfTree tree;
  SpfTraffic traffic;
  PruningReview review;
};

// Thread-safe.
class SpfTermDesk {
 public:
  // All outlive it.
  SpfTermDesk(const ServiceParts& parts, const ReportFollower& reports, Resolver& resolver)
      : parts_(parts), reports_(reports), resolver_(resolver) {}

  // Over the last `days` days before today. Stops early when the call is cancelled.
  //   RESOURCE_NOT_FOUND  there is no SPF record    SPF_MULTIPLE, RECORD_SYNTAX  none to be judged
  //   DNS_UNAVAILABLE     it could not be read      STARTING                     nor the reports
  absl::StatusOr<SpfTermsSeen> Look(const Call& call, const DomainRecord& domain, int32_t days);

 private:
  absl::Status ReadTree(const DomainRecord& domain, SpfTermsSeen& seen);

  const ServiceParts& parts_;
  const ReportFollower& reports_;
  Resolver& resolver_;
};

void ToMessage(const SpfTermsSeen& seen, v1::ReviewSpfTermsResponse* out);
std::vector<PruneFact> ToFacts(const SpfTermsSeen& seen);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_SPF_TERMS_H_
