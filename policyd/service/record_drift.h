// policyd/service/record_drift.h
// Drift of a managed domain: what was just seen and what its histories say, against what was last
// applied.

#ifndef DMARCATE_POLICYD_SERVICE_RECORD_DRIFT_H_
#define DMARCATE_POLICYD_SERVICE_RECORD_DRIFT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "dmarcate/v1/record.pb.h"
#include "lib/inspect/posture.h"
#include "lib/store/observation_store.h"
#include "lib/store/policy_store.h"
#include "policyd/service/handler.h"

namespace dmarcate {

// Of the domain, newest first, but not those that are long past.
absl::StatusOr<std::vector<ChangeRecord>> NewestChanges(PolicyStore& policies,
                                                        const std::string& domain);

// Both views that were just taken; null: not looked at.
struct LiveViews {
  const RecordView* spf = nullptr;
  const RecordView* dmarc = nullptr;
};
// What these and the histories say about drift. `looked`: when the views were begun to be taken.
// Nothing for a domain that is not managed. A history that cannot be read is named in `out`.
absl::Status TellDrift(const ServiceParts& parts, ObservationStore& observations,
                       const DomainName& domain, const LiveViews& views, absl::Time looked,
                       v1::InspectRecordsResponse* out);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_RECORD_DRIFT_H_
