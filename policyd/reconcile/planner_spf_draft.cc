// How Planner drafts the SPF record of a domain, with its child records, and which of those go.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/status_macros.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/spf_cleanup.h"
#include "policyd/plan/spf_compile.h"
#include "policyd/plan/zone_guard.h"
#include "policyd/reconcile/planner_draft.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {
namespace {

// Two SPF records at the name of a child record: an error for every receiver that gets there (RFC
// 7208 section 4.5), and nothing tells which of them is meant. Nothing: there is at most one.
std::optional<GuardRecord> GuardOneChild(const DomainName& owner,
                                         const std::vector<TxtRecord>& records) {
  const std::vector<std::string> texts = TextsOf(records);
  const SpfSelection selection = SelectSpf(texts);
  if (selection.indexes.size() <= 1) return std::nullopt;
  std::map<std::string, std::string> metadata = {{"owner", owner.text()}};
  for (size_t i = 0; i < selection.indexes.size(); ++i) {
    metadata[fmt::format("found_{}", i + 1)] = texts[selection.indexes[i]];
  }
  return Refuse(guard_code::kSpfChildForeign,
                fmt::format("{}, a child record of Dmarcate's, holds {} SPF records, which is an "
                            "error for receivers: leave the one that Dmarcate wrote (ip4, ip6 and "
                            "-all alone) and take the others away at the DNS host; then plan again",
                            owner.text(), selection.indexes.size()),
                std::move(metadata));
}

}  // namespace

absl::Status Planner::DraftSpfRecords(const DomainRecord& domain, FlattenMode flatten,
                                      DnsProvider& provider, Draft& draft) const {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<SourceDecision> decisions,
                            world_.store.ListDecisions(domain.name));
  DMARCATE_ASSIGN_OR_RETURN(const LiveRrSet live, reader_.Read(provider, draft.domain));
  const absl::StatusOr<SpfDraft> drafted = DraftSpf(draft.domain, TextsOf(live.image.records),
                                                    domain.managed_terms, ApprovedOf(decisions));
  if (!drafted.ok()) {
    return MakeReasonedError(absl::StatusCode::kInvalidArgument, "SPF_TERM_FORBIDDEN",
                             MessageOf(drafted.status()));
  }
  Append(draft.guards, GuardZone(live.image, live.servers));
  Append(draft.guards, drafted->plan.guards);

  std::map<DomainName, LiveRrSet> images;
  std::vector<SpfChild> children;
  std::set<DomainName> taken;
  for (const DomainName& name : SpfChildrenOf(draft.domain, domain.managed_terms)) {
    DMARCATE_ASSIGN_OR_RETURN(LiveRrSet image, reader_.Read(provider, name));
    if (std::optional<GuardRecord> broken = GuardOneChild(name, image.image.records)) {
      draft.guards.push_back(*std::move(broken));
      return absl::OkStatus();  // what it says is not known, so nothing can be compared with it
    }
    const std::string text = OnlySpfText(image.image.records);
    if (!text.empty() &&
        (!ParseSpfChild(text).ok() || !IsNamedAfterText({name, text}, draft.domain))) {
      taken.insert(name);  // somebody made it theirs
      continue;
    }
    children.push_back({name, text});
    images.emplace(name, std::move(image));
  }
  const bool decided = drafted->plan.guards.empty();
  const SpfTree intended = reader_.Expand(draft.domain, decided ? drafted->intended : "");
  const SpfCompileOptions options{.flatten = flatten};
  while (true) {
    draft.compiled = CompileSpf(draft.domain, *drafted, intended, domain.managed_terms, children,
                                taken, options);
    bool all_free = true;
    for (const SpfChild& write : draft.compiled->writes) {
      if (images.contains(write.owner)) continue;
      DMARCATE_ASSIGN_OR_RETURN(LiveRrSet image, reader_.Read(provider, write.owner));
      if (!image.image.records.empty() && OnlySpfText(image.image.records) != write.text) {
        taken.insert(write.owner);
        all_free = false;
        break;
      }
      images.emplace(write.owner, std::move(image));
    }
    if (all_free) break;  // ends: each text has kSpfChildNames names
  }
  const SpfPlan& plan = draft.compiled->plan;
  draft.managed_after = plan.managed_after;
  for (const SpfChild& write : draft.compiled->writes) {
    const LiveRrSet& image = images.at(write.owner);
    const std::string text = OnlySpfText(image.image.records);
    if (text == write.text) continue;
    Append(draft.guards, GuardZone(image.image, image.servers));
    draft.children.push_back(ReplaceText(image.image, text, write.text));
  }
  if (plan.after != plan.before) {
    draft.spf = ReplaceText(live.image, plan.before, plan.after);
    draft.spf->term_changes = plan.term_changes;
  }
  if (!decided) return absl::OkStatus();
  return DraftSpfCleanup(domain, live.image.ttl_seconds, children, images, draft);
}

absl::Status Planner::DraftSpfCleanup(const DomainRecord& domain, uint32_t ttl_seconds,
                                      std::vector<SpfChild> children,
                                      const std::map<DomainName, LiveRrSet>& images,
                                      Draft& draft) const {
  const SpfPlan& plan = draft.compiled->plan;
  for (const SpfChild& write : draft.compiled->writes) {
    if (std::ranges::find(children, write.owner, &SpfChild::owner) == children.end()) {
      children.push_back(write);
    }
  }
  const std::vector<SpfChild> unused = SpfChildrenNotLedTo(children, {plan.before, plan.after});
  if (unused.empty()) return absl::OkStatus();
  std::vector<std::string> names;
  for (const SpfChild& child : unused) names.push_back(child.owner.text());
  const std::map<std::string, std::string> metadata = {{"children", Join(names, " ")}};
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<ChangeRecord> changes,
                            world_.store.ListChanges(domain.name, "", kSpfCleanupHistory));
  const std::optional<absl::Time> forgotten =
      SpfForgottenAt(draft.domain, plan.before, ttl_seconds, changes);
  if (!forgotten.has_value() || world_.clock.Now() < *forgotten) {
    draft.guards.push_back(Warn(
        guard_code::kSpfChildUnused,
        fmt::format("nothing leads to {} any more; {}", Join(names, ", "),
                    forgotten.has_value()
                        ? fmt::format("a plan from {} on takes them away: until then receivers may "
                                      "have a record that leads there in their caches",
                                      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", *forgotten,
                                                       absl::UTCTimeZone()))
                        : "they stay until a change of Dmarcate's has written the record"),
        metadata));
    return absl::OkStatus();
  }
  // The shallowest first: what is there leads to what is there.
  for (const SpfChild& child : unused) {
    const LiveRrSet& image = images.at(child.owner);
    Append(draft.guards, GuardZone(image.image, image.servers));
    draft.unused.push_back(ReplaceText(image.image, child.text, ""));
    std::erase_if(draft.managed_after, [&](const ManagedTerm& term) {
      return term.source_id == kFlattenedSourceId &&
             term.term == fmt::format("include:{}", child.owner.text());
    });
  }
  draft.guards.push_back(Warn(guard_code::kSpfChildUnused,
                              fmt::format("{} go: nothing leads to them any more, and no receiver "
                                          "has a record that does",
                                          Join(names, ", ")),
                              metadata));
  return absl::OkStatus();
}

}  // namespace dmarcate
