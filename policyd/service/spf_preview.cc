#include "policyd/service/spf_preview.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/inspect/overlay_resolver.h"
#include "lib/inspect/spf_tree.h"
#include "lib/mailauth/domain_name.h"
#include "policyd/plan/spf_compile.h"

namespace dmarcate {
namespace {

absl::StatusOr<SpfTree> Expand(const DomainName& domain, const std::string& text,
                               Resolver& resolver, const Clock& clock) {
  if (text.empty()) return SpfTree();
  return ExpandSpfText(domain, text, resolver, clock);
}

}  // namespace

v1::TermChange ToMessage(const TermChangeRecord& change) {
  v1::TermChange out;
  out.set_action(static_cast<v1::TermChange::Action>(change.action));  // numbered alike
  out.set_term(change.term);
  out.set_before(change.before);
  out.set_source(change.source_id);
  out.set_lookup_cost(change.lookup_cost);
  out.set_flattened_into(change.flattened_into);
  return out;
}
static_assert(static_cast<int>(TermAction::kKeep) == v1::TermChange::ACTION_KEEP &&
              static_cast<int>(TermAction::kAdd) == v1::TermChange::ACTION_ADD &&
              static_cast<int>(TermAction::kRemove) == v1::TermChange::ACTION_REMOVE &&
              static_cast<int>(TermAction::kModify) == v1::TermChange::ACTION_MODIFY);

absl::Status SpfPreviewer::ReadLive() {
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, DomainName::Parse(domain_.name));
  DMARCATE_ASSIGN_OR_RETURN(const DnsAnswer answer, resolver_.Lookup(name, RrType::kTxt));
  live_.clear();
  for (const TxtRecord& record : answer.txt) live_.push_back(record.Joined());
  children_.clear();
  for (const DomainName& child : SpfChildrenOf(name, domain_.managed_terms)) {
    DMARCATE_ASSIGN_OR_RETURN(const DnsAnswer found, resolver_.Lookup(child, RrType::kTxt));
    for (const TxtRecord& record : found.txt) {
      if (ParseSpfChild(record.Joined()).ok()) children_.push_back({child, record.Joined()});
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::ChangePreview> SpfPreviewer::If(const SourceDecision& decision) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, DomainName::Parse(domain_.name));
  std::vector<ApprovedSource> approved;
  const auto add = [&approved](const SourceDecision& one) {
    if (one.state != SourceState::kApproved) return;
    approved.push_back({one.source_id, TermsOf(one.authorization)});
  };
  for (const SourceDecision& other : decisions_) {
    if (other.source_id != decision.source_id) add(other);
  }
  add(decision);
  DMARCATE_ASSIGN_OR_RETURN(const SpfDraft draft,
                            DraftSpf(name, live_, domain_.managed_terms, std::move(approved)));
  DMARCATE_ASSIGN_OR_RETURN(const SpfTree intended,
                            Expand(name, draft.intended, resolver_, clock_));
  SpfCompiled compiled = CompileSpf(name, draft, intended, domain_.managed_terms, children_,
                                    /*taken=*/{}, {.flatten = FlattenAsNow(domain_.managed_terms)});
  TxtOverlay overlay;
  for (const SpfChild& write : compiled.writes) overlay[write.owner] = write.text;
  OverlayResolver then(resolver_, overlay);
  SpfPlan& plan = compiled.plan;
  DMARCATE_ASSIGN_OR_RETURN(const SpfTree tree_before,
                            Expand(name, plan.before, resolver_, clock_));
  DMARCATE_ASSIGN_OR_RETURN(const SpfTree tree_after, Expand(name, plan.after, then, clock_));
  const SpfMeasure before = MeasureOf(tree_before);
  const SpfMeasure after = MeasureOf(tree_after);
  FillCosts(before, after, plan.term_changes);
  FillFlattenedCosts(compiled, plan.term_changes);
  v1::ChangePreview preview;
  preview.set_before(plan.before);
  preview.set_after(plan.after);
  for (const TermChangeRecord& change : plan.term_changes) {
    *preview.add_term_changes() = ToMessage(change);
  }
  preview.set_lookups_before(before.lookups);
  preview.set_lookups_after(after.lookups);
  return preview;
}

}  // namespace dmarcate
