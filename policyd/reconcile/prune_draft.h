// policyd/reconcile/prune_draft.h
// Gathers for a plan that takes terms out of SPF, and lets policyd/plan/prune_plan.h decide.

#ifndef DMARCATE_POLICYD_RECONCILE_PRUNE_DRAFT_H_
#define DMARCATE_POLICYD_RECONCILE_PRUNE_DRAFT_H_

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/store/policy_store.h"
#include "policyd/plan/prune_plan.h"
#include "policyd/provider/provider.h"
#include "policyd/reconcile/live_reader.h"

namespace dmarcate {

struct PruneDraft {
  std::optional<RecordChangeRecord> record;  // nothing: it is refused
  std::vector<ManagedTerm> managed_after;
  std::vector<GuardRecord> guards;
};

// What `intent.prune` asks for, of `domain`, as it is live now.
//   kInvalidArgument FIELD_INVALID  the domain is delegated: its own record is not ours to write
absl::StatusOr<PruneDraft> DraftPrune(const DomainRecord& domain, const ChangeIntent& intent,
                                      const std::vector<PruneFact>& facts, PolicyStore& store,
                                      const LiveReader& reader, DnsProvider& provider);

// That no approved source needs what `change` takes out, by the decisions of now. `live`: all TXT
// texts at the domain.   kAborted STALE_PLAN
absl::Status CheckPrune(const ChangeRecord& change, const std::vector<std::string>& live,
                        PolicyStore& store);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_PRUNE_DRAFT_H_
