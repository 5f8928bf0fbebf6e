#include "policyd/watch/insight_look.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/inspect/posture.h"
#include "policyd/plan/spf_compile.h"
#include "policyd/plan/spf_follow.h"
#include "policyd/watch/history.h"
#include "policyd/watch/remembered_world.h"

namespace dmarcate {
namespace {

bool IsManyAddresses(const LintFinding& finding) {
  return finding.code == lint_code::kSpfTooWide && finding.path == "spf";
}

// How many addresses may send is no news beside the term that lets them.
void DropCountOfAddresses(std::vector<LintFinding>& findings) {
  const bool told = std::ranges::any_of(findings, [](const LintFinding& finding) {
    return finding.code == lint_code::kSpfPlusAll ||
           (finding.code == lint_code::kSpfTooWide && !IsManyAddresses(finding));
  });
  if (told) std::erase_if(findings, IsManyAddresses);
}

bool LeadsTo(const SpfNode& node, std::string_view owner) {
  if ((node.kind == SpfKind::kInclude || node.kind == SpfKind::kRedirect) && node.target == owner) {
    return true;
  }
  return std::ranges::any_of(node.children,
                             [&](const SpfNode& child) { return LeadsTo(child, owner); });
}

void Learn(InsightLook& look, std::string scope, bool learned) {
  if (learned) look.learned.insert(scope);
  look.scopes.insert(std::move(scope));
}

void Miss(const RememberedResolver& resolver, RecordKind kind, InsightLook& look) {
  for (const DomainName& name : resolver.missing()) look.missing.push_back({name.text(), kind});
}

}  // namespace

bool IsLearned(const InsightLook& look, std::string_view scope) {
  const std::string text(scope);
  const bool of_reports = scope == insight_scope::kMail || scope == insight_scope::kReporters ||
                          scope == insight_scope::kRollouts || scope == insight_scope::kMtaSts;
  if (of_reports || look.of_reports) return look.learned.contains(text);
  if (look.scopes.contains(text)) return look.learned.contains(text);
  // Not judged: it is gone if it can be known that it no longer belongs to the domain.
  if (scope.starts_with(insight_scope::Include(""))) return look.includes_known;
  if (scope.starts_with(insight_scope::Dkim(""))) return look.selectors_known;
  if (scope.starts_with(insight_scope::DmarcReport(""))) return look.reports_known;
  // What is flattened stands in our own book.
  if (scope.starts_with(insight_scope::Flattened(""))) return true;
  if (scope.starts_with(insight_scope::Dnssec(""))) {
    // The domain's other names are looked at each time, so they were judged.
    return scope.find("._domainkey.") == std::string_view::npos ? look.includes_known
                                                                : look.selectors_known;
  }
  return false;
}

DomainSight::DomainSight(DomainRecord domain, DomainName name,
                         const std::vector<ChangeRecord>& changes, absl::Time now)
    : domain_(std::move(domain)),
      name_(std::move(name)),
      applied_(LastApplied(changes)),
      now_(now) {
  // Nothing can drift there, and what was told of it before is no longer so.
  outcome_unknown_ = NothingExpectedAt(changes);
  for (const std::string& owner : outcome_unknown_) {
    scopes_.insert(insight_scope::Drift(owner));
    learned_.insert(insight_scope::Drift(owner));
  }
}

bool DomainSight::IsIncluded(const ObservedName& name) const {
  return name.kind == RecordKind::kSpf && name.owner != name_.text();
}

bool DomainSight::IsOwnChild(const ObservedName& name) const {
  const std::vector<DomainName> children = SpfChildrenOf(name_, domain_.managed_terms);
  return std::ranges::any_of(children,
                             [&](const DomainName& child) { return child.text() == name.owner; });
}

const DomainSight::Sight* DomainSight::SightOf(const ObservedName& name) const {
  const auto found = sights_.find(name);
  return found == sights_.end() ? nullptr : &found->second;
}

void DomainSight::Add(const ObservedName& name, const std::vector<Observation>& history) {
  Sight& sight = sights_[name];
  if (const Observation* last = LastLook(history); last != nullptr) {
    sight.fresh = now_ - last->last_seen <= kRememberedFor;
    sight.outcome = last->outcome;
    sight.whole = last->values_sha256.empty();
    sight.alias = !last->cname_chain.empty();
    sight.since = last->first_seen;
  }
  const auto owner = DomainName::Parse(name.owner);
  if (owner.ok() && name.kind != RecordKind::kMx) {
    answers_.emplace(*owner, RememberedTxt(history, now_));
  }
  if (!IsIncluded(name) || IsOwnChild(name)) return AddDrift(name, history);
  std::string scope = insight_scope::Include(name.owner);
  if (sight.Learned()) learned_.insert(scope);
  scopes_.insert(std::move(scope));
  std::ranges::move(FindIncludedDrift(name_, name, history, now_), std::back_inserter(drift_));
}

void DomainSight::AddDrift(const ObservedName& name, const std::vector<Observation>& history) {
  if (name.kind != RecordKind::kSpf && name.kind != RecordKind::kDmarc) return;
  for (const AppliedRecord& applied : applied_) {
    if (applied.record.owner_name != name.owner) continue;
    const Sight& sight = sights_.at(name);
    const Observation* answer = LatestAnswer(history);
    std::string scope = insight_scope::Drift(name.owner);
    if (sight.Learned() && CanBeCompared(applied) && answer != nullptr &&
        answer->last_seen >= applied.end_time) {
      learned_.insert(scope);
    }
    scopes_.insert(std::move(scope));
    std::ranges::move(FindDrift(domain_, applied, history, now_), std::back_inserter(drift_));
  }
}

void DomainSight::SetSelectors(std::vector<std::string> selectors, bool complete) {
  selectors_ = std::move(selectors);
  selectors_complete_ = complete;
}

InsightLook DomainSight::Judge() const {
  InsightLook look;
  look.scopes = scopes_;
  look.learned = learned_;
  JudgeSpf(look);
  JudgeFlattened(look);
  JudgeDmarc(look);
  JudgeKeys(look);
  JudgeDnssec(look);
  TellDrift(look);
  std::ranges::sort(look.found, {}, &InsightFinding::id);
  const auto again = std::ranges::unique(look.found, {}, &InsightFinding::id);
  look.found.erase(again.begin(), again.end());
  std::set<std::string> unknown = outcome_unknown_;
  for (const auto& [name, sight] : sights_) {
    if (!sight.Learned()) unknown.insert(name.owner);
  }
  for (const ObservedName& name : look.missing) unknown.insert(name.owner);
  look.unknown_names.assign(unknown.begin(), unknown.end());
  return look;
}

void DomainSight::Select(const std::vector<LintFinding>& findings, const ObservedName& name,
                         InsightLook& look) const {
  const Sight* sight = SightOf(name);
  const absl::Time since = sight == nullptr ? now_ : sight->since;
  for (const LintFinding& finding : findings) {
    if (auto insight = SelectLint(name_, finding, name.owner, since)) {
      look.found.push_back(*std::move(insight));
    }
  }
}

void DomainSight::JudgeSpf(InsightLook& look) const {
  RememberedResolver resolver(answers_, RememberedResolver::Addresses::kUnknown);
  NoServers servers;
  SpfPosture spf = InspectSpf(name_, resolver, servers, StandingClock(now_), MemoryOptions());
  DropCountOfAddresses(spf.judgement.findings);
  const ObservedName name{name_.text(), RecordKind::kSpf};
  // A CNAME stands alone (RFC 1034 section 3.6.2). Where another type is no alias, it does not.
  const Sight* mx = SightOf({name_.text(), RecordKind::kMx});
  const Sight* txt = SightOf(name);
  if (mx != nullptr && txt != nullptr && mx->fresh && mx->outcome == ObservedOutcome::kRecords &&
      !mx->alias) {
    for (LintFinding& finding : spf.judgement.findings) {
      if (finding.code != lint_code::kCnameAtName) continue;
      finding.severity = Severity::kError;
      finding.message +=
          ", and it has MX records beside the CNAME, so what is found there is chance";
    }
  }
  Select(spf.judgement.findings, name, look);
  const bool own = spf.view.resolver.ok();
  // Addresses are not watched, so the terms that ask for them are cut as a rule.
  const bool whole = !spf.tree.has_value() || EveryRecordIsRead(spf.tree->root);
  Learn(look, std::string(insight_scope::kSpf), own);
  look.findings_left_out = spf.tree.has_value() ? spf.tree->findings_left_out : 0;
  Learn(look, std::string(insight_scope::kSpfTree),
        own && resolver.AllKnown() && whole && look.findings_left_out == 0);
  look.includes_known = own && resolver.AllKnown() && whole;
  Miss(resolver, RecordKind::kSpf, look);
}

void DomainSight::JudgeFlattened(InsightLook& look) const {
  for (const ManagedTerm& term : domain_.managed_terms) {
    if (!term.flattened) continue;
    RememberedResolver resolver(answers_, RememberedResolver::Addresses::kUnknown);
    const auto tree = ExpandSpfText(name_, FollowText(term), resolver, StandingClock(now_));
    Miss(resolver, RecordKind::kSpf, look);
    const bool known = tree.ok() && tree->complete && resolver.AllKnown();
    Learn(look, insight_scope::Flattened(term.term), known);
    if (!known) continue;
    absl::Time since = absl::InfinitePast();  // of the newest answer that it is made from
    for (const auto& [name, sight] : sights_) {
      if (LeadsTo(tree->root, name.owner)) since = std::max(since, sight.since);
    }
    if (since == absl::InfinitePast()) since = now_;
    if (auto finding = VendorFinding(name_, term, FollowVendor(name_, term, *tree), since)) {
      look.found.push_back(*std::move(finding));
    }
  }
}

void DomainSight::JudgeDmarc(InsightLook& look) const {
  RememberedResolver resolver(answers_, RememberedResolver::Addresses::kTellExistence);
  NoServers servers;
  const DmarcPosture dmarc = InspectDmarc(name_, resolver, servers, MemoryOptions());
  const ObservedName name{dmarc.view.owner.text(), RecordKind::kDmarc};
  Select(dmarc.judgement.findings, name, look);
  const bool policy = dmarc.discovery.has_value();
  Learn(look, std::string(insight_scope::kDmarc), dmarc.view.resolver.ok() && policy);
  Learn(look, std::string(insight_scope::kDmarcPolicy), policy);
  look.reports_known = policy;
  bool all = policy;
  if (policy && dmarc.discovery->policy_domain) {
    for (const ReportDestination& destination : dmarc.discovery->destinations) {
      const auto host = DomainName::Parse(destination.uri.host);
      if (!host.ok()) continue;  // there is nobody to ask
      const bool known = destination.authorization != ReportAuthorization::kUnknown;
      all = all && known;
      const auto asked = ReportAuthorizationName(*dmarc.discovery->policy_domain, *host);
      if (asked.ok()) Learn(look, insight_scope::DmarcReport(asked->text()), known);
    }
  }
  Learn(look, "dmarc-reports", all);  // the scope of what was kept before each host had its own
  Miss(resolver, RecordKind::kDmarc, look);
}

void DomainSight::JudgeKeys(InsightLook& look) const {
  RememberedResolver resolver(answers_, RememberedResolver::Addresses::kUnknown);
  NoServers servers;
  for (const std::string& selector : selectors_) {
    DkimPosture dkim = InspectDkim(name_, selector, resolver, servers, MemoryOptions());
    for (LintFinding& finding : dkim.judgement.findings) {
      if (finding.code != lint_code::kDkimMissing) continue;
      // Reports are of the last 30 days, so this is a key that was taken back as often as not.
      finding.severity = Severity::kWarning;
      finding.message += "; mail of the last 30 days passed with it";
    }
    Select(dkim.judgement.findings, {dkim.view.owner.text(), RecordKind::kDkim}, look);
    Learn(look, insight_scope::Dkim(selector), dkim.view.resolver.ok());
  }
  look.selectors_known = selectors_complete_;
}

void DomainSight::JudgeDnssec(InsightLook& look) const {
  struct Owner {
    bool learned = true;
    std::optional<absl::Time> bogus_since;
  };
  std::map<std::string, Owner> owners;  // of one or several kinds
  for (const auto& [name, sight] : sights_) {
    const auto parsed = DomainName::Parse(name.owner);
    if (!parsed.ok() || !parsed->IsAtOrBelow(name_)) continue;
    Owner& owner = owners[name.owner];
    owner.learned = owner.learned && sight.fresh && IsAnswer(sight.outcome);
    if (!sight.fresh || sight.outcome != ObservedOutcome::kBogus) continue;
    owner.bogus_since = std::min(owner.bogus_since.value_or(sight.since), sight.since);
  }
  for (const auto& [name, owner] : owners) {
    Learn(look, insight_scope::Dnssec(name), owner.learned);
    if (owner.bogus_since) look.found.push_back(BogusName(name_, name, *owner.bogus_since));
  }
}

void DomainSight::TellDrift(InsightLook& look) const {
  for (const Drift& drift : drift_) {
    auto insight = SelectDrift(name_, drift, now_);
    if (!insight) continue;
    const std::string_view less = Superseded(drift.code, drift.name.kind == RecordKind::kSpf);
    std::erase_if(look.found, [&](const InsightFinding& found) {
      return found.code == less && found.subject == insight->subject;
    });
    const auto same = std::ranges::find(look.found, insight->id, &InsightFinding::id);
    if (same == look.found.end()) {
      look.found.push_back(*std::move(insight));
    } else {
      same->since = insight->since;  // the lint tells where, the history since when
    }
  }
}

}  // namespace dmarcate
