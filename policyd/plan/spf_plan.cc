#include "policyd/plan/spf_plan.h"

#include <algorithm>
#include <set>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/plan/guard.h"

namespace dmarcate {
namespace {

constexpr std::string_view kAllOfNewRecords = "~all";

struct WantedTerm {
  SpfTerm term;
  std::string source_id;
};

absl::StatusOr<SpfTerm> ParseWanted(const DomainName& domain, const ApprovedSource& source,
                                    const std::string& text) {
  const auto refuse = [&](std::string_view why) {
    return MakeError(
        absl::StatusCode::kInvalidArgument,
        fmt::format("spf of {}: source {}: {}: {}", domain.text(), source.id, text, why));
  };
  absl::StatusOr<SpfTerm> term = ParseSpfTerm(text);
  if (!term.ok()) return refuse(MessageOf(term.status()));
  if (term->is_modifier() || term->kind == SpfKind::kAll || term->kind == SpfKind::kPtr) {
    return refuse("this kind of term is never added");
  }
  if (term->qualifier != SpfQualifier::kPass) return refuse("only a pass lets a source through");
  if (term->kind == SpfKind::kInclude) {
    const absl::StatusOr<DomainName> target = DomainName::Parse(term->domain_spec);
    if (target.ok() && *target == domain) return refuse("a record that includes itself fails");
  }
  return term;
}

absl::StatusOr<std::vector<WantedTerm>> ParseAllWanted(const DomainName& domain,
                                                       std::vector<ApprovedSource> approved) {
  std::ranges::sort(approved, {}, &ApprovedSource::id);
  std::vector<WantedTerm> wanted;
  for (const ApprovedSource& source : approved) {
    for (const std::string& text : source.terms) {
      DMARCATE_ASSIGN_OR_RETURN(SpfTerm term, ParseWanted(domain, source, text));
      wanted.push_back({std::move(term), source.id});
    }
  }
  return wanted;
}

// Where `term` stands and counts; receivers never get behind `all`.
std::optional<size_t> FindReached(const SpfRecord& record, const SpfTerm& term) {
  const std::optional<size_t> index = record.Find(term);
  const std::optional<size_t> all = record.IndexOfAll();
  if (index.has_value() && all.has_value() && *index > *all) return std::nullopt;
  return index;
}

// The source that a term was put in for; empty if it is not managed. By bytes: a term that somebody
// rewrote is somebody else's now.
std::string SourceOf(const std::vector<ManagedTerm>& managed, const SpfTerm& term) {
  const auto found = std::ranges::find(managed, term.text, &ManagedTerm::term);
  return found == managed.end() ? "" : found->source_id;
}

// Edits only ever take terms out and put new ones in, so both lists are walked side by side.
std::vector<TermChangeRecord> Diff(const SpfRecord& before, const SpfRecord& after,
                                   const std::vector<bool>& removed,
                                   const std::vector<ManagedTerm>& managed_before,
                                   const std::vector<ManagedTerm>& managed_after) {
  std::vector<TermChangeRecord> changes;
  size_t old_index = 0;
  const auto emit_removed = [&] {
    while (old_index < before.terms.size() && removed[old_index]) {
      const SpfTerm& term = before.terms[old_index++];
      changes.push_back({TermAction::kRemove, term.text, "", SourceOf(managed_before, term), 0});
    }
  };
  std::set<std::string> named;  // a managed term is the first that says so
  for (const SpfTerm& term : after.terms) {
    emit_removed();
    const bool kept = old_index < before.terms.size() && before.terms[old_index].text == term.text;
    if (kept) ++old_index;
    changes.push_back({kept ? TermAction::kKeep : TermAction::kAdd, term.text, "",
                       named.insert(term.text).second ? SourceOf(managed_after, term) : "", 0});
  }
  emit_removed();
  return changes;
}

SpfPlan PlanNewRecord(const std::vector<WantedTerm>& wanted) {
  SpfPlan plan;
  if (wanted.empty()) return plan;
  SpfRecord record;
  for (const WantedTerm& want : wanted) {
    if (!record.Find(want.term).has_value()) record.InsertBeforeAll(want.term);
    plan.managed_after.push_back({want.term.text, want.source_id});
  }
  plan.after = fmt::format("{} {}", record.Render(), kAllOfNewRecords);
  for (const SpfTerm& term : record.terms) {
    plan.term_changes.push_back(
        {TermAction::kAdd, term.text, "", SourceOf(plan.managed_after, term), 0});
  }
  plan.term_changes.push_back({TermAction::kAdd, std::string(kAllOfNewRecords), "", "", 0});
  return plan;
}

SpfPlan PlanEdit(const SpfRecord& before, const std::vector<ManagedTerm>& managed,
                 const std::vector<WantedTerm>& wanted) {
  SpfPlan plan;
  SpfRecord after = before;
  std::vector<bool> removed(before.terms.size(), false);
  const auto is_wanted = [&](const SpfTerm& term) {
    return std::ranges::any_of(wanted, [&](const WantedTerm& want) { return want.term == term; });
  };
  for (const ManagedTerm& one : managed) {
    const auto live = std::ranges::find(before.terms, one.term, &SpfTerm::text);
    if (live == before.terms.end() || is_wanted(*live)) continue;  // gone already, or still needed
    removed[static_cast<size_t>(live - before.terms.begin())] = true;
  }
  for (size_t i = before.terms.size(); i-- > 0;) {
    if (removed[i]) after.terms.erase(after.terms.begin() + static_cast<std::ptrdiff_t>(i));
  }
  for (const WantedTerm& want : wanted) {
    const std::optional<size_t> live = FindReached(before, want.term);
    if (live.has_value() && SourceOf(managed, before.terms[*live]).empty()) continue;  // not ours
    if (!FindReached(after, want.term).has_value()) after.InsertBeforeAll(want.term);
    const std::string& text = live.has_value() ? before.terms[*live].text : want.term.text;
    plan.managed_after.push_back({text, want.source_id});
  }
  plan.after = after.Render();
  plan.term_changes = Diff(before, after, removed, managed, plan.managed_after);
  return plan;
}

}  // namespace

std::vector<std::string> TermsOf(const AuthorizationSpec& spec) {
  std::vector<std::string> terms;
  if (spec.kind == AuthorizationSpec::Kind::kSpfInclude) {
    terms.push_back(fmt::format("include:{}", spec.include_domain));
  } else if (spec.kind == AuthorizationSpec::Kind::kSpfAddresses) {
    for (const std::string& range : spec.ranges) {
      const bool v6 = range.find(':') != std::string::npos;
      terms.push_back(fmt::format("{}:{}", v6 ? "ip6" : "ip4", range));
    }
  }
  return terms;
}

absl::StatusOr<SpfPlan> PlanSpf(const DomainName& domain, const std::vector<std::string>& live,
                                const std::vector<ManagedTerm>& managed,
                                std::vector<ApprovedSource> approved) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<WantedTerm> wanted,
                            ParseAllWanted(domain, std::move(approved)));
  const SpfSelection selection = SelectSpf(live);
  if (selection.outcome == SpfSelection::Outcome::kNone) return PlanNewRecord(wanted);

  SpfPlan blocked;
  blocked.managed_after = managed;
  if (selection.outcome == SpfSelection::Outcome::kMultiple) {
    blocked.guards.push_back(
        Refuse(guard_code::kSpfMultiple,
               fmt::format("{} has {} SPF records; receivers treat that as an error, and which one "
                           "is meant is for a person to say (changes plan {} --repair spf)",
                           domain.text(), selection.indexes.size(), domain.text()),
               {{"records", std::to_string(selection.indexes.size())}}));
    return blocked;
  }
  blocked.before = blocked.after = live[selection.indexes.front()];
  const absl::StatusOr<SpfRecord> record = ParseSpf(blocked.before);
  if (!record.ok()) {
    blocked.guards.push_back(
        Refuse(guard_code::kRecordSyntax, fmt::format("the SPF record of {} does not parse: {}",
                                                      domain.text(), MessageOf(record.status()))));
    return blocked;
  }
  SpfPlan plan = PlanEdit(*record, managed, wanted);
  plan.before = blocked.before;
  return plan;
}

void FillCosts(const SpfMeasure& before, const SpfMeasure& after,
               std::vector<TermChangeRecord>& changes) {
  for (TermChangeRecord& change : changes) {
    const SpfMeasure& measure = change.action == TermAction::kRemove ? before : after;
    const auto found = measure.cost_by_term.find(change.term);
    if (found != measure.cost_by_term.end()) change.lookup_cost = found->second;
  }
}

}  // namespace dmarcate
