#include "policyd/reconcile/repair_draft.h"

#include <map>
#include <string>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "policyd/plan/delegation.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/repair_plan.h"
#include "policyd/plan/zone_guard.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {

absl::StatusOr<RepairDraft> DraftRepair(const DomainRecord& domain, const ChangeIntent& intent,
                                        const LiveReader& reader, DnsProvider& provider) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, DomainName::Parse(domain.name));
  const bool spf = intent.repair == RepairKind::kSpf;
  if (!domain.delegation_zone.empty()) {
    // What is broken is in a zone that Dmarcate does not write, or was put into the operator's by
    // somebody else.
    RepairDraft refused;
    refused.managed_after = domain.managed_terms;
    const DomainName owner = spf ? name : name.Child("_dmarc").value_or(name);
    const absl::StatusOr<DomainName> zone = DomainName::Parse(domain.delegation_zone);
    const absl::StatusOr<DomainName> target =
        zone.ok() ? DelegatedOwner(spf ? RecordRole::kSpf : RecordRole::kDmarc, name, *zone)
                  : zone.status();
    refused.guards.push_back(Refuse(
        guard_code::kDelegation,
        fmt::format(
            "{} is in delegated mode, where a repair is done by hand: at {} leave one record "
            "and take the others away at the host of that zone{}; then plan again",
            domain.name, owner.text(),
            target.ok() ? fmt::format(", and the same at {}", target->text()) : ""),
        {{"owner", owner.text()}, {"zone", domain.delegation_zone}}));
    return refused;
  }
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

absl::Status NoWayBack(const ChangeRecord& change) {
  const bool spf = change.intent.repair == RepairKind::kSpf;
  std::map<std::string, std::string> metadata;
  if (!change.record_changes.empty()) {
    const RecordChangeRecord& record = change.record_changes.front();
    metadata = {{"owner", record.owner_name}, {"replaced", Join(record.before, "\n")}};
  }
  return MakeReasonedError(
      absl::StatusCode::kFailedPrecondition, "ROLLBACK_BLOCKED",
      fmt::format(
          "change {} is a repair, and there is no way back: what it replaced is {}, so going "
          "back would break it again. For another record in its place plan a new change",
          change.id,
          spf ? "an error for every receiver (more than one SPF record)"
              : "no DMARC record to any receiver"),
      metadata);
}

}  // namespace dmarcate
