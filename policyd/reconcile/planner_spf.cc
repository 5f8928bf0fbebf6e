// What Planner judges about SPF records with child records: what evaluating them takes, what they
// mean, and what caches may still lead to.

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/inspect/overlay_resolver.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/plan/spf_cleanup.h"
#include "policyd/plan/spf_compile.h"
#include "policyd/reconcile/planner.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {

absl::Status Planner::CheckUnused(const ChangeRecord& change, DnsProvider& provider) const {
  const bool any = std::ranges::any_of(change.record_changes, [&](const RecordChangeRecord& one) {
    return TakesSpfChild(change, one);
  });
  if (!any) return absl::OkStatus();
  DMARCATE_ASSIGN_OR_RETURN(const DomainName domain, StoredName(change.domain));
  DMARCATE_ASSIGN_OR_RETURN(const LiveRrSet live, reader_.Read(provider, domain));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<ChangeRecord> changes,
                            world_.store.ListChanges(change.domain, "", kSpfCleanupHistory));
  const std::optional<absl::Time> forgotten =
      SpfForgottenAt(domain, OnlySpfText(live.image.records), live.image.ttl_seconds, changes);
  if (forgotten.has_value() && world_.clock.Now() >= *forgotten) return absl::OkStatus();
  return MakeReasonedError(absl::StatusCode::kAborted, "STALE_PLAN",
                           "the SPF record was changed since; receivers may have one in their "
                           "caches that leads to the child records that go; plan again",
                           {{"owner", change.domain}});
}

absl::Status Planner::CheckLedTo(const ChangeRecord& rollback, DnsProvider& provider) const {
  DMARCATE_ASSIGN_OR_RETURN(const std::optional<SpfTexts> texts, SpfTextsOf(rollback));
  if (!texts.has_value()) return absl::OkStatus();
  DMARCATE_ASSIGN_OR_RETURN(const DomainName domain, StoredName(rollback.domain));
  std::vector<SpfChild> children;
  for (const DomainName& name : SpfChildrenOf(domain, rollback.managed_after)) {
    DMARCATE_ASSIGN_OR_RETURN(const LiveRrSet live, reader_.Read(provider, name));
    children.push_back({name, OnlySpfText(live.image.records)});
  }
  for (const RecordChangeRecord* record : SpfChildChangesOf(rollback)) {  // comes back first
    DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, StoredName(record->owner_name));
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> after, FromPresentations(record->after));
    std::erase_if(children, [&](const SpfChild& child) { return child.owner == owner; });
    children.push_back({owner, OnlySpfText(after)});
  }
  const absl::StatusOr<SpfRecord> record = ParseSpf(texts->after);
  if (!record.ok()) return absl::OkStatus();  // whatever was there before
  for (const SpfTerm& term : record->terms) {
    if (term.kind != SpfKind::kInclude) continue;
    const absl::StatusOr<DomainName> first = DomainName::Parse(term.domain_spec);
    if (!first.ok() || !IsSpfChildOf(*first, domain)) continue;
    if (!ChainFrom(domain, *first, children).empty()) continue;
    return MakeReasonedError(
        absl::StatusCode::kFailedPrecondition, "ROLLBACK_BLOCKED",
        fmt::format("the record would lead to {}, where a child record is gone or was changed; "
                    "make a new plan instead",
                    term.domain_spec),
        {{"owner", term.domain_spec}});
  }
  return absl::OkStatus();
}

absl::StatusOr<SpfProof> Planner::Prove(const ChangeRecord& change, const DomainName& domain,
                                        const SpfTexts& texts) const {
  OnceResolver once(world_.resolver);
  const auto expand = [&](const std::string& text, const TxtOverlay& overlay) {
    OverlayResolver resolver(once, overlay);
    SpfTree none;
    none.domain = domain;
    if (text.empty()) return none;
    absl::StatusOr<SpfTree> tree = ExpandSpfText(domain, text, resolver, world_.clock);
    return tree.ok() ? *std::move(tree) : none;
  };
  TxtOverlay overlay;
  for (const RecordChangeRecord* record : SpfChildChangesOf(change)) {
    DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, StoredName(record->owner_name));
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> before,
                              FromPresentations(record->before));
    overlay[owner] = OnlySpfText(before);
  }
  const SpfTree before = expand(texts.before, overlay);
  std::vector<SpfTree> between;
  bool main_written = false;
  for (const RecordChangeRecord& record : change.record_changes) {
    DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, StoredName(record.owner_name));
    const auto child = overlay.find(owner);
    if (child == overlay.end() && owner != domain) continue;
    main_written = main_written || owner == domain;
    if (child != overlay.end()) {
      DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> after,
                                FromPresentations(record.after));
      child->second = OnlySpfText(after);
    }
    between.push_back(expand(main_written ? texts.after : texts.before, overlay));
  }
  // The last of them is the end; who has the old record in a cache goes on with that.
  if (!between.empty()) between.back() = expand(texts.before, overlay);
  const SpfTree after = expand(texts.after, overlay);
  SpfTree meant = expand(UnflattenedText(domain, texts.after, change.managed_after), overlay);
  PutRemembered(change.managed_after, meant);
  SpfProofInput input{domain.text(), &before.root, &meant.root, &after.root, {}};
  for (const SpfTree& tree : between) input.between.push_back(&tree.root);
  return ProveSpf(input);
}

absl::StatusOr<std::optional<SpfMeasures>> Planner::MeasureBoth(const ChangeRecord& change) const {
  DMARCATE_ASSIGN_OR_RETURN(std::optional<SpfTexts> texts, SpfTextsOf(change));
  for (const RecordChangeRecord& record : change.record_changes) {
    if (!record.alias.name.empty() && record.alias.name == change.domain) {
      return MeasureDelegated(record);
    }
  }
  const std::vector<const RecordChangeRecord*> children = SpfChildChangesOf(change);
  if (!texts.has_value() && children.empty()) return std::nullopt;
  DMARCATE_ASSIGN_OR_RETURN(const DomainName domain, StoredName(change.domain));
  if (!texts.has_value()) {
    // The record stays as it is, what it leads to does not. As its host and its servers have it
    // now: a resolver may go on with one that led elsewhere.
    DMARCATE_ASSIGN_OR_RETURN(const std::shared_ptr<DnsProvider> provider,
                              OpenProvider(change.dns_provider));
    DMARCATE_ASSIGN_OR_RETURN(const LiveRrSet live, reader_.Read(*provider, domain));
    const std::string text = OnlySpfText(live.image.records);
    texts = SpfTexts{text, text};
  }
  TxtOverlay before;
  TxtOverlay after;
  for (const RecordChangeRecord* record : children) {
    DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, StoredName(record->owner_name));
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> old, FromPresentations(record->before));
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> now, FromPresentations(record->after));
    before[owner] = OnlySpfText(old);
    after[owner] = OnlySpfText(now);
  }
  SpfMeasures measures{reader_.Measure(domain, texts->before, before),
                       reader_.Measure(domain, texts->after, after), std::nullopt};
  if (NeedsProof(change)) {
    DMARCATE_ASSIGN_OR_RETURN(measures.proof, Prove(change, domain, *texts));
  }
  return measures;
}

absl::StatusOr<std::vector<GuardRecord>> Planner::Judge(const ChangeRecord& change) const {
  DMARCATE_ASSIGN_OR_RETURN(const std::optional<SpfMeasures> measures, MeasureBoth(change));
  return JudgeChange(change, measures);
}

}  // namespace dmarcate
