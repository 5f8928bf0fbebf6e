// policyd/reconcile/repair_draft.h
// Gathers for the repair of a record, and lets policyd/plan/repair_plan.h decide.

#ifndef DMARCATE_POLICYD_RECONCILE_REPAIR_DRAFT_H_
#define DMARCATE_POLICYD_RECONCILE_REPAIR_DRAFT_H_

#include <optional>
#include <vector>

#include "absl/status/statusor.h"

#include "policyd/provider/provider.h"
#include "policyd/reconcile/live_reader.h"

namespace dmarcate {

struct RepairDraft {
  std::optional<RecordChangeRecord> record;  // nothing: nothing is broken, or it is refused
  std::vector<ManagedTerm> managed_after;
  std::vector<GuardRecord> guards;
};

// What `intent.repair` asks for, of `domain`, as it is live now.
absl::StatusOr<RepairDraft> DraftRepair(const DomainRecord& domain, const ChangeIntent& intent,
                                        const LiveReader& reader, DnsProvider& provider);

// Why `change`, which is a repair, cannot be rolled back: what it replaced was an error.
//   kFailedPrecondition ROLLBACK_BLOCKED  with the records that stood there
absl::Status NoWayBack(const ChangeRecord& change);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_REPAIR_DRAFT_H_
