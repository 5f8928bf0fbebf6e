#include "policyd/reconcile/repair_draft.h"

#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/repair_plan.h"
#include "policyd/plan/zone_guard.h"

namespace dmarcate {

absl::StatusOr<RepairDraft> DraftRepair(const DomainRecord& domain, const ChangeIntent& intent,
                                        const LiveReader& reader, DnsProvider& provider) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, DomainName::Parse(domain.name));
  const bool spf = intent.repair == RepairKind::kSpf;
  DomainName owner = name;
  if (!spf) {
    DMARCATE_ASSIGN_OR_RETURN(owner, name.Child("_dmarc"));
  }
  DMARCATE_ASSIGN_OR_RETURN(const LiveRrSet live, reader.Read(provider, owner));
  const std::vector<std::string> texts = TextsOf(live.image.records);
  RepairPlan plan = spf ? PlanSpfRepair(name, texts, domain.managed_terms, intent.repair_keep)
                        : PlanDmarcRepair(name, texts, intent.repair_keep);
  RepairDraft draft;
  draft.managed_after = spf ? plan.managed_after : domain.managed_terms;
  draft.guards = GuardZone(live.image, live.servers);
  std::ranges::move(plan.guards, std::back_inserter(draft.guards));
  if (!plan.replaced.empty()) {
    draft.record = ReplaceBroken(live.image, plan);
    draft.record->term_changes = std::move(plan.term_changes);
  }
  return draft;
}

}  // namespace dmarcate
