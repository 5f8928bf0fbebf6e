// policyd/reconcile/sts_draft.h
// Gathers for the record that announces an MTA-STS policy, and lets policyd/plan/mta_sts_plan.h
// decide.

#ifndef DMARCATE_POLICYD_RECONCILE_STS_DRAFT_H_
#define DMARCATE_POLICYD_RECONCILE_STS_DRAFT_H_

#include <optional>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/mailauth/domain_name.h"
#include "lib/store/policy_store.h"
#include "policyd/plan/mta_sts_plan.h"
#include "policyd/provider/provider.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/live_reader.h"

namespace dmarcate {

struct StsDraft {
  std::optional<RecordChangeRecord> record;  // nothing: it is there already, or it is refused
  std::vector<GuardRecord> guards;
};

// The record at _mta-sts of `domain` for `wanted`, with the guards of it.
absl::StatusOr<StsDraft> DraftStsRecord(const DomainName& domain, const StsAnnouncement& wanted,
                                        const ChangeWorld& world, const LiveReader& reader,
                                        DnsProvider& provider);

// The guards that look outside, again, right before the record is written.
std::vector<GuardRecord> GuardStsLive(const DomainName& domain, const StsAnnouncement& wanted,
                                      const ChangeWorld& world);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_STS_DRAFT_H_
