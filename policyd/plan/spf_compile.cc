#include "policyd/plan/spf_compile.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/plan/spf_choice.h"
#include "policyd/plan/spf_diff.h"

namespace dmarcate {
namespace {

bool IsCarrier(const ManagedTerm& term) { return term.source_id == kFlattenedSourceId; }

std::string CarrierTerm(const DomainName& child) { return fmt::format("include:{}", child.text()); }

std::optional<size_t> IndexOf(const SpfRecord& record, std::string_view text) {
  const auto found = std::ranges::find(record.terms, text, &SpfTerm::text);
  if (found == record.terms.end()) return std::nullopt;
  return static_cast<size_t>(found - record.terms.begin());
}

// The first carrier of `managed` in the record.
std::optional<size_t> CarrierIndex(const SpfRecord& record,
                                   const std::vector<ManagedTerm>& managed) {
  for (size_t i = 0; i < record.terms.size(); ++i) {
    const bool carrier = std::ranges::any_of(managed, [&](const ManagedTerm& term) {
      return IsCarrier(term) && term.term == record.terms[i].text;
    });
    if (carrier) return i;
  }
  return std::nullopt;
}

// `intended` with the carrier in place of the first flattened term, and without the others.
std::string WithCarrier(const std::string& intended, const std::vector<FlattenedTerm>& flattened,
                        const std::string& carrier) {
  absl::StatusOr<SpfRecord> record = ParseSpf(intended);
  if (!record.ok()) return intended;
  std::vector<size_t> places;
  for (const FlattenedTerm& one : flattened) {
    if (const auto index = IndexOf(*record, one.term)) places.push_back(*index);
  }
  std::ranges::sort(places);
  for (size_t i = places.size(); i-- > 1;) {
    record->terms.erase(record->terms.begin() + static_cast<std::ptrdiff_t>(places[i]));
  }
  if (places.empty()) return intended;
  absl::StatusOr<SpfTerm> term = ParseSpfTerm(carrier);
  if (!term.ok()) return intended;
  term->blanks_before = record->terms[places[0]].blanks_before;
  record->terms[places[0]] = *std::move(term);
  return record->Render();
}

bool IsFlattened(const std::vector<ManagedTerm>& managed, const std::string& term) {
  return std::ranges::any_of(
      managed, [&](const ManagedTerm& one) { return one.flattened && one.term == term; });
}

// Whether `meant` with its flattened terms taken out, and one carrier in place of the first of
// them, is the published record, of which `rest` are the terms without the carrier at `place`.
bool StandsFor(const SpfRecord& meant, const std::vector<SpfTerm>& rest, size_t place,
               const std::vector<ManagedTerm>& managed) {
  size_t next = 0;
  bool carried = false;
  for (const SpfTerm& term : meant.terms) {
    if (next < rest.size() && rest[next].text == term.text) {
      ++next;
      continue;
    }
    if (!IsFlattened(managed, term.text)) return false;
    if (!carried && next != place) return false;
    carried = true;
  }
  return carried && next == rest.size();
}

// Puts the flattened terms into `record`, whose carrier stood at `place`, in the order of `meant`.
void PutBack(const SpfRecord& meant, const std::vector<ManagedTerm>& managed, size_t place,
             SpfRecord& record) {
  std::vector<SpfTerm> flattened;
  for (const SpfTerm& term : meant.terms) {
    if (IsFlattened(managed, term.text)) flattened.push_back(term);
  }
  for (const ManagedTerm& one : managed) {
    if (!one.flattened || std::ranges::find(flattened, one.term, &SpfTerm::text) != flattened.end())
      continue;
    if (absl::StatusOr<SpfTerm> term = ParseSpfTerm(one.term); term.ok()) {
      flattened.push_back(*std::move(term));
    }
  }
  size_t behind = place;  // of those that nothing before them is left of
  for (const SpfTerm& term : flattened) {
    if (IndexOf(record, term.text).has_value()) continue;
    std::optional<size_t> at;
    auto before = std::ranges::find(meant.terms, term.text, &SpfTerm::text);
    while (!at.has_value() && before != meant.terms.begin() && before != meant.terms.end()) {
      --before;
      if (const auto index = IndexOf(record, before->text)) at = *index + 1;
    }
    if (!at.has_value()) at = behind++;
    record.terms.insert(record.terms.begin() + static_cast<std::ptrdiff_t>(*at), term);
  }
}

}  // namespace

std::vector<DomainName> SpfChildrenOf(const DomainName& domain,
                                      const std::vector<ManagedTerm>& managed) {
  std::vector<DomainName> out;
  for (const ManagedTerm& one : managed) {
    if (!IsCarrier(one)) continue;
    const absl::StatusOr<SpfTerm> term = ParseSpfTerm(one.term);
    if (!term.ok()) continue;
    absl::StatusOr<DomainName> name = DomainName::Parse(term->domain_spec);
    if (name.ok() && IsSpfChildOf(*name, domain)) out.push_back(*std::move(name));
  }
  return out;
}

FlattenMode FlattenAsNow(const std::vector<ManagedTerm>& managed) {
  return std::ranges::any_of(managed, &ManagedTerm::flattened) ? FlattenMode::kIfNeeded
                                                               : FlattenMode::kNever;
}

std::vector<ManagedTerm> UnflattenedTerms(const std::vector<ManagedTerm>& managed) {
  std::vector<ManagedTerm> out;
  for (ManagedTerm term : managed) {
    if (IsCarrier(term)) continue;
    term.flattened = false;
    term.networks.clear();
    out.push_back(std::move(term));
  }
  return out;
}

std::string UnflattenedText(const DomainName& domain, const std::string& published,
                            const std::vector<ManagedTerm>& managed) {
  absl::StatusOr<SpfRecord> record = ParseSpf(published);
  if (!record.ok()) return published;
  const std::optional<size_t> place = CarrierIndex(*record, managed);
  if (!place.has_value()) return published;
  const std::string carrier = record->terms[*place].text;
  for (const DomainName& child : SpfChildrenOf(domain, managed)) {
    std::erase_if(record->terms,
                  [&](const SpfTerm& term) { return term.text == CarrierTerm(child); });
  }
  SpfRecord meant;
  for (const ManagedTerm& one : managed) {
    if (!IsCarrier(one) || one.term != carrier) continue;
    absl::StatusOr<SpfRecord> stands_for = ParseSpf(one.stands_for);
    if (!stands_for.ok()) continue;
    if (StandsFor(*stands_for, record->terms, *place, managed)) return one.stands_for;
    if (meant.terms.empty()) meant = *std::move(stands_for);
  }
  PutBack(meant, managed, *place, *record);
  return record->Render();
}

absl::StatusOr<SpfDraft> DraftSpf(const DomainName& domain, const std::vector<std::string>& live,
                                  const std::vector<ManagedTerm>& managed,
                                  std::vector<ApprovedSource> approved) {
  std::vector<std::string> texts = live;
  SpfDraft draft;
  const SpfSelection selection = SelectSpf(live);
  if (selection.outcome == SpfSelection::Outcome::kOne) {
    std::string& text = texts[selection.indexes.front()];
    draft.live = text;
    text = UnflattenedText(domain, text, managed);
  }
  DMARCATE_ASSIGN_OR_RETURN(draft.plan,
                            PlanSpf(domain, texts, UnflattenedTerms(managed), std::move(approved)));
  draft.intended = draft.plan.after;
  return draft;
}

void PutRemembered(const std::vector<ManagedTerm>& managed, SpfTree& tree) {
  for (const ManagedTerm& one : managed) {
    if (!one.flattened) continue;
    const auto node = std::ranges::find(tree.root.children, one.term, &SpfNode::term);
    if (node == tree.root.children.end() ||
        IsAddressesOnly(*node, PassSetOfTerm(*node, tree.domain.text()))) {
      continue;
    }
    SpfNode remembered;
    remembered.term = node->term;
    remembered.qualifier = node->qualifier;
    remembered.kind = SpfKind::kIp4;  // it matches its networks, and asks nobody
    remembered.target = node->target;
    remembered.networks = ParseNetworks(one.networks);
    *node = std::move(remembered);
  }
}

SpfCompiled CompileSpf(const DomainName& domain, const SpfDraft& draft, const SpfTree& intended,
                       const std::vector<ManagedTerm>& managed,
                       const std::vector<SpfChild>& children, const std::set<DomainName>& taken,
                       const SpfCompileOptions& options) {
  SpfCompiled out;
  out.plan = draft.plan;
  out.plan.before = draft.live;
  out.lookups_unflattened = intended.lookup_count;
  const auto finish = [&] {
    std::vector<ManagedTerm>& book = out.plan.managed_after;
    for (ManagedTerm& term : book) {
      const auto flat = std::ranges::find(out.flattened, term.term, &FlattenedTerm::term);
      if (flat == out.flattened.end()) continue;
      term.flattened = true;
      term.networks = flat->networks;
    }
    std::vector<DomainName> names;
    for (const SpfChild& child : out.writes) names.insert(names.begin(), child.owner);
    const size_t led_to = names.size();
    for (const SpfChild& child : children) {
      if (child.text.empty() || std::ranges::find(names, child.owner) != names.end()) continue;
      names.push_back(child.owner);  // ours still, led to or not
    }
    for (size_t i = 0; i < names.size(); ++i) {
      ManagedTerm carrier{CarrierTerm(names[i]), std::string(kFlattenedSourceId)};
      const auto known = std::ranges::find(managed, carrier.term, &ManagedTerm::term);
      if (known != managed.end()) carrier.stands_for = known->stands_for;
      if (i == 0 && led_to > 0) carrier.stands_for = draft.intended;
      book.push_back(std::move(carrier));
    }
    out.plan.term_changes = DiffSpf(out.plan.before, out.plan.after, managed, book);
    return out;
  };
  if (!draft.plan.guards.empty() || draft.intended.empty()) return finish();

  SpfChoiceRequest request{domain, intended, UnflattenedTerms(draft.plan.managed_after), managed,
                           options};
  std::optional<DomainName> first;
  if (const absl::StatusOr<SpfRecord> record = ParseSpf(draft.live); record.ok()) {
    if (const auto index = CarrierIndex(*record, managed)) {
      const absl::StatusOr<DomainName> name = DomainName::Parse(record->terms[*index].domain_spec);
      if (name.ok()) first = *name;
    }
  }
  if (first.has_value()) request.chain = ChainFrom(domain, *first, children);
  request.taken = taken;
  SpfChoice choice = ChooseFlattened(request);
  out.kept = std::move(choice.kept);
  if (choice.flattened.empty()) return finish();

  const absl::StatusOr<std::vector<SpfChild>> laid =
      LayOutChain({domain, choice.carried, request.chain, taken, options.child_octets});
  if (!laid.ok()) {  // it was laid out for the choice, and is again
    out.kept.emplace_back(MessageOf(laid.status()));
    return finish();
  }
  out.flattened = std::move(choice.flattened);
  out.plan.after = WithCarrier(draft.intended, out.flattened, CarrierTerm(laid->front().owner));
  out.writes.assign(laid->rbegin(), laid->rend());  // the deepest first
  return finish();
}

}  // namespace dmarcate
