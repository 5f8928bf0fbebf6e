#include "policyd/reconcile/prune_draft.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/plan/zone_guard.h"
#include "policyd/reconcile/planner.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {

absl::StatusOr<PruneDraft> DraftPrune(const DomainRecord& domain, const ChangeIntent& intent,
                                      const std::vector<PruneFact>& facts, PolicyStore& store,
                                      const LiveReader& reader, DnsProvider& provider) {
  if (IsDelegated(domain)) {
    return MakeReasonedError(
        absl::StatusCode::kInvalidArgument, "FIELD_INVALID",
        fmt::format("{} is delegated: its own SPF record is not written here; take terms out there "
                    "by hand",
                    domain.name),
        {{"field", "intent.prune"}});
  }
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, DomainName::Parse(domain.name));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<SourceDecision> decisions,
                            store.ListDecisions(domain.name));
  DMARCATE_ASSIGN_OR_RETURN(const LiveRrSet live, reader.Read(provider, name));
  PrunePlan plan = PlanPrune(name, TextsOf(live.image.records), domain.managed_terms, intent.prune);
  PruneDraft draft;
  draft.managed_after = plan.managed_after;
  draft.guards = GuardZone(live.image, live.servers);
  const bool possible = plan.guards.empty();
  std::ranges::move(plan.guards, std::back_inserter(draft.guards));
  if (!possible) return draft;
  std::ranges::move(TellPrune(intent.prune, facts, decisions), std::back_inserter(draft.guards));
  draft.record = ReplaceText(live.image, plan.before, plan.after);
  draft.record->term_changes = std::move(plan.term_changes);
  return draft;
}

absl::Status CheckPrune(const ChangeRecord& change, const std::vector<std::string>& live,
                        PolicyStore& store) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, DomainName::Parse(change.domain));
  const PrunePlan plan = PlanPrune(name, live, change.managed_before, change.intent.prune);
  if (!plan.guards.empty()) return absl::OkStatus();  // it puts them back
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<SourceDecision> decisions,
                            store.ListDecisions(change.domain));
  const std::string source = ApprovedSince(change, decisions);
  if (source.empty()) return absl::OkStatus();
  return MakeReasonedError(
      absl::StatusCode::kAborted, "STALE_PLAN",
      fmt::format("{} was approved since, and a term that would go is for it", source),
      {{"owner", change.domain}, {"source", source}});
}

}  // namespace dmarcate
