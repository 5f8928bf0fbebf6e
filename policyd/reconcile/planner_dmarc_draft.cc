// How Planner drafts the DMARC record of a domain: its report address, with the authorization that
// this wants at the report host, and the step of a rollout.

#include <algorithm>
#include <optional>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/inspect/dmarc_discovery.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/zone_guard.h"
#include "policyd/reconcile/planner_draft.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {

absl::StatusOr<ReportHostFacts> Planner::GatherReportHost(const DomainRecord& domain,
                                                          DnsProvider& provider,
                                                          Draft& draft) const {
  ReportHostFacts facts;
  DMARCATE_ASSIGN_OR_RETURN(facts.host, HostOfMailbox(MailboxForReports(domain)));
  facts.needed = world_.suffixes.OrganizationalDomain(facts.host) !=
                 world_.suffixes.OrganizationalDomain(draft.domain);
  if (!facts.needed) return facts;
  const absl::StatusOr<DomainName> owner = AuthorizationOwner(draft.domain, facts.host);
  if (!owner.ok()) return facts;
  const absl::StatusOr<DnsAnswer> seen = world_.resolver.Lookup(*owner, RrType::kTxt);
  if (seen.ok()) {
    facts.authorized = std::ranges::any_of(
        seen->txt, [](const TxtRecord& record) { return IsReportAuthorization(record.Joined()); });
  }
  if (facts.authorized) return facts;
  // Ours is only what is managed here and bound to the same account: nobody's credential writes
  // into the zone of a domain that was not put under management.
  for (DomainName name = facts.host; !name.IsRoot(); name = name.Parent()) {
    const absl::StatusOr<DomainRecord> managed = world_.store.GetDomain(name.text());
    if (!managed.ok() || managed->dns_provider != domain.dns_provider) continue;
    DMARCATE_ASSIGN_OR_RETURN(LiveRrSet live, reader_.Read(provider, *owner));
    facts.authorized = std::ranges::any_of(live.image.records, [](const TxtRecord& record) {
      return IsReportAuthorization(record.Joined());
    });
    if (!facts.authorized) {
      Append(draft.guards, GuardZone(live.image, live.servers));
      facts.ours = std::move(live.image);
    }
    break;
  }
  return facts;
}

absl::Status Planner::DraftDmarc(const DomainRecord& domain, DnsProvider& provider,
                                 Draft& draft) const {
  LiveRrSet live;
  AliasRecord alias;
  std::vector<std::string> texts;
  bool copied = false;  // the domain's own record is to stand in the operator's zone, too
  if (IsDelegated(domain)) {
    DMARCATE_ASSIGN_OR_RETURN(Delegated delegated,
                              ReadDelegated(domain, RecordRole::kDmarc, provider));
    Append(draft.guards, delegated.sight.guards);
    if (FindRefusal(delegated.sight.guards) != nullptr) return absl::OkStatus();
    live = std::move(delegated.live);
    alias = AliasOf(delegated.sight);
    texts = TextsOf(live.image.records);
    Append(draft.guards, TellPrepared(delegated.sight, texts));
    if (!alias.in_place && SelectDmarc(texts).outcome == DmarcSelection::Outcome::kNone) {
      texts = TextsOf(delegated.sight.held);
      copied = true;
    }
  } else {
    DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, draft.domain.Child("_dmarc"));
    DMARCATE_ASSIGN_OR_RETURN(live, reader_.Read(provider, owner));
    texts = TextsOf(live.image.records);
  }
  std::optional<InheritedDmarc> inherited;
  if (SelectDmarc(texts).outcome == DmarcSelection::Outcome::kNone) {
    const absl::StatusOr<DmarcDiscovery> found = DiscoverDmarc(draft.domain, world_.resolver);
    if (!found.ok()) {
      return MakeReasonedError(absl::StatusCode::kUnavailable, "DNS_UNAVAILABLE",
                               fmt::format("policy that {} inherits: {}", draft.domain.text(),
                                           MessageOf(found.status())));
    }
    if (found->record.has_value() && found->policy_domain.has_value() &&
        *found->policy_domain != draft.domain) {
      const auto asked = [&](DmarcStandard standard) {
        return found->record->Verdict(standard).Requested(found->subject);
      };
      inherited = InheritedDmarc{*found->policy_domain, std::max(asked(DmarcStandard::kRfc9989),
                                                                 asked(DmarcStandard::kRfc7489))};
    }
  }
  const absl::StatusOr<DmarcPlan> plan =
      PlanDmarcRua(draft.domain, texts, MailboxForReports(domain), inherited);
  if (!plan.ok()) {
    return MakeReasonedError(absl::StatusCode::kInvalidArgument, "FIELD_INVALID",
                             MessageOf(plan.status()), {{"field", "report_mailbox"}});
  }
  Append(draft.guards, GuardZone(live.image, live.servers));
  Append(draft.guards, plan->guards);
  if (plan->after != plan->before || (copied && !plan->after.empty())) {
    draft.dmarc = ReplaceText(live.image, copied ? "" : plan->before, plan->after);
    draft.dmarc->term_changes = plan->tag_changes;
    draft.dmarc->alias = alias;
  }
  DMARCATE_ASSIGN_OR_RETURN(const ReportHostFacts facts, GatherReportHost(domain, provider, draft));
  AuthorizationPlan authorization = PlanReportAuthorization(draft.domain, facts);
  Append(draft.guards, std::move(authorization.guards));
  draft.authorization = std::move(authorization.change);
  return absl::OkStatus();
}

absl::Status Planner::DraftPolicy(const PolicyMove& move, DnsProvider& provider,
                                  Draft& draft) const {
  DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, draft.domain.Child("_dmarc"));
  DMARCATE_ASSIGN_OR_RETURN(const LiveRrSet live, reader_.Read(provider, owner));
  const DmarcPlan plan = PlanDmarcPolicy(draft.domain, TextsOf(live.image.records), move);
  Append(draft.guards, GuardZone(live.image, live.servers));
  Append(draft.guards, plan.guards);
  if (plan.after != plan.before) {
    draft.dmarc = ReplaceText(live.image, plan.before, plan.after);
    draft.dmarc->term_changes = plan.tag_changes;
  }
  return absl::OkStatus();
}

}  // namespace dmarcate
