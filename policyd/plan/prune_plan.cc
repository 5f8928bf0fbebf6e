#include "policyd/plan/prune_plan.h"

#include <algorithm>
#include <set>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/spf_plan.h"

namespace dmarcate {
namespace {

bool MayBePruned(const SpfTerm& term) {
  switch (term.kind) {
    case SpfKind::kInclude:
    case SpfKind::kA:
    case SpfKind::kMx:
    case SpfKind::kIp4:
    case SpfKind::kIp6:
      return term.qualifier == SpfQualifier::kPass;
    default:
      return false;
  }
}

bool Names(const std::vector<std::string>& prune, const std::string& text) {
  return std::ranges::find(prune, text) != prune.end();
}

const ManagedTerm* FindManaged(const std::vector<ManagedTerm>& managed, const std::string& text) {
  const auto found = std::ranges::find_if(
      managed, [&](const ManagedTerm& one) { return one.term == text && !one.flattened; });
  return found == managed.end() ? nullptr : &*found;
}

std::string Without(SpfRecord record, const std::vector<std::string>& prune) {
  std::erase_if(record.terms, [&](const SpfTerm& term) { return Names(prune, term.text); });
  return record.Render();
}

GuardRecord RefuseTerm(std::string_view term, std::string_view why) {
  return Refuse(guard_code::kSpfPruneTerm, fmt::format("{}: {}", EscapeForTerminal(term), why),
                {{"term", std::string(term)}});
}

// Why the named term cannot go; empty if it can.
std::string WhyNot(const SpfRecord& record, const std::vector<ManagedTerm>& managed,
                   const std::string& text) {
  const auto term = std::ranges::find(record.terms, text, &SpfTerm::text);
  if (term == record.terms.end()) {
    return "the record has no such term; name it as it is live (dmarcate changes terms)";
  }
  if (!MayBePruned(*term)) {
    return "only include, a, mx, ip4 and ip6 that let through are taken out by a plan";
  }
  const ManagedTerm* ours = FindManaged(managed, text);
  if (ours == nullptr) return "";
  if (ours->source_id == kFlattenedSourceId) return "it leads to child records of Dmarcate";
  return fmt::format(
      "Dmarcate put it there for {}; reject that source, and the next plan of decisions takes it "
      "out",
      ours->source_id);
}

// The approved source that says the same as `text` by its own terms, or of which `sources` has
// mail. Those with DKIM only ask nothing of SPF.
std::string ApprovedFor(const std::string& text, const std::vector<std::string>& sources,
                        const std::vector<SourceDecision>& decisions) {
  const absl::StatusOr<SpfTerm> term = ParseSpfTerm(text);
  for (const SourceDecision& decision : decisions) {
    if (decision.state != SourceState::kApproved ||
        decision.authorization.kind == AuthorizationSpec::Kind::kDkimOnly) {
      continue;
    }
    if (Names(sources, decision.source_id)) return decision.source_id;
    for (const std::string& wanted_text : TermsOf(decision.authorization)) {
      const absl::StatusOr<SpfTerm> wanted = ParseSpfTerm(wanted_text);
      if (term.ok() && wanted.ok() && *term == *wanted) return decision.source_id;
    }
  }
  return "";
}

// Whether `after` is `before` without the terms.
bool IsPruned(const DomainName& domain, const std::vector<std::string>& before,
              const std::vector<std::string>& after, const std::vector<ManagedTerm>& managed_before,
              const std::vector<ManagedTerm>& managed_after,
              const std::vector<std::string>& prune) {
  const PrunePlan plan = PlanPrune(domain, before, managed_before, prune);
  const SpfSelection left = SelectSpf(after);
  return plan.guards.empty() && left.indexes.size() == 1 &&
         after[left.indexes.front()] == plan.after &&
         std::ranges::is_permutation(managed_after, plan.managed_after);
}

}  // namespace

PrunePlan PlanPrune(const DomainName& domain, const std::vector<std::string>& live,
                    const std::vector<ManagedTerm>& managed,
                    const std::vector<std::string>& prune) {
  PrunePlan plan;
  plan.managed_after = managed;
  const SpfSelection selection = SelectSpf(live);
  if (selection.outcome == SpfSelection::Outcome::kMultiple) {
    plan.guards.push_back(
        Refuse(guard_code::kSpfMultiple,
               fmt::format("{} has {} SPF records; make one of them first (changes plan {} "
                           "--repair spf)",
                           domain.text(), selection.indexes.size(), domain.text())));
    return plan;
  }
  if (selection.outcome == SpfSelection::Outcome::kNone) {
    plan.guards.push_back(RefuseTerm(Join(prune, " "), "there is no SPF record"));
    return plan;
  }
  plan.before = plan.after = live[selection.indexes.front()];
  const absl::StatusOr<SpfRecord> record = ParseSpf(plan.before);
  if (!record.ok()) {
    plan.guards.push_back(
        Refuse(guard_code::kRecordSyntax, fmt::format("the SPF record of {} does not parse: {}",
                                                      domain.text(), MessageOf(record.status()))));
    return plan;
  }
  for (const std::string& text : prune) {
    if (std::string why = WhyNot(*record, managed, text); !why.empty()) {
      plan.guards.push_back(RefuseTerm(text, why));
    }
  }
  if (!plan.guards.empty()) return plan;
  plan.after = Without(*record, prune);
  // What a carrier stands for is the record without them, too.
  for (ManagedTerm& term : plan.managed_after) {
    if (term.stands_for.empty()) continue;
    const absl::StatusOr<SpfRecord> meant = ParseSpf(term.stands_for);
    if (meant.ok()) term.stands_for = Without(*meant, prune);
  }
  std::set<std::string> named;  // a managed term is the first that says so
  for (const SpfTerm& term : record->terms) {
    const bool goes = Names(prune, term.text);
    const ManagedTerm* ours =
        named.insert(term.text).second ? FindManaged(managed, term.text) : nullptr;
    plan.term_changes.push_back({goes ? TermAction::kRemove : TermAction::kKeep, term.text, "",
                                 ours == nullptr ? "" : ours->source_id, 0});
  }
  return plan;
}

std::vector<GuardRecord> TellPrune(const std::vector<std::string>& prune,
                                   const std::vector<PruneFact>& facts,
                                   const std::vector<SourceDecision>& decisions) {
  std::vector<GuardRecord> guards;
  for (const std::string& term : prune) {
    const auto fact = std::ranges::find(facts, term, &PruneFact::term);
    if (fact == facts.end()) {
      guards.push_back(RefuseTerm(term, "no report was asked about it"));
      continue;
    }
    const std::string approved = ApprovedFor(term, fact->sources, decisions);
    if (!approved.empty()) {
      guards.push_back(Refuse(
          guard_code::kSpfPruneApproved,
          fmt::format("{} is for {}, which is approved; reject the source first, or approve it "
                      "with DKIM only: {}",
                      EscapeForTerminal(term), approved, fact->reason),
          {{"term", term}, {"source", approved}}));
      continue;
    }
    guards.push_back(
        Warn(guard_code::kSpfPrune,
             fmt::format("{} goes ({}): {}", EscapeForTerminal(term), fact->verdict, fact->reason),
             {{"term", term}, {"verdict", fact->verdict}, {"sources", Join(fact->sources, " ")}}));
  }
  return guards;
}

std::string ApprovedSince(const ChangeRecord& change,
                          const std::vector<SourceDecision>& decisions) {
  for (const std::string& term : change.intent.prune) {
    std::vector<std::string> sources;
    for (const GuardRecord& guard : change.guards) {
      if (guard.code != guard_code::kSpfPrune) continue;
      const auto named = guard.metadata.find("term");
      const auto told = guard.metadata.find("sources");
      if (named == guard.metadata.end() || named->second != term) continue;
      if (told == guard.metadata.end()) continue;
      for (const std::string_view id : Split(told->second, ' ')) sources.emplace_back(id);
    }
    if (std::string approved = ApprovedFor(term, sources, decisions); !approved.empty()) {
      return approved;
    }
  }
  return "";
}

std::vector<GuardRecord> GuardPrune(const ChangeRecord& change, const DomainName& domain,
                                    const std::vector<std::string>& before,
                                    const std::vector<std::string>& after) {
  const std::vector<std::string>& prune = change.intent.prune;
  const bool taken_out =
      IsPruned(domain, before, after, change.managed_before, change.managed_after, prune);
  const bool put_back =
      !change.intent.rollback_of.empty() &&
      IsPruned(domain, after, before, change.managed_after, change.managed_before, prune);
  if (taken_out || put_back) {
    return {Pass(guard_code::kSpfMultiple, "at most one SPF record"),
            Pass(guard_code::kUnmanagedTermLoss,
                 fmt::format("nothing {} but {}", taken_out ? "goes" : "comes back",
                             Join(prune, " ")))};
  }
  return {Refuse(guard_code::kUnmanagedTermLoss,
                 "the result is not the record without exactly the terms that were named",
                 {{"before", Join(before, "\n")}, {"after", Join(after, "\n")}})};
}

}  // namespace dmarcate
