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

// In the book they stand for terms of the record itself.
std::vector<ManagedTerm> InRecord(const std::vector<ManagedTerm>& managed) {
  std::vector<ManagedTerm> out;
  for (ManagedTerm term : managed) {
    if (IsCarrier(term)) continue;
    term.flattened = false;
    term.networks.clear();
    out.push_back(std::move(term));
  }
  return out;
}

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

// Terms that leave the children and go back into the record. The children are written first, so
// their addresses stay there until the next plan; in between they pass by both.
IpRangeSet Returning(const std::vector<ManagedTerm>& managed,
                     const std::vector<ManagedTerm>& managed_after,
                     const std::vector<FlattenedTerm>& flattened) {
  IpRangeSet out;
  for (const ManagedTerm& term : managed) {
    if (!term.flattened) continue;
    const bool wanted =
        std::ranges::find(managed_after, term.term, &ManagedTerm::term) != managed_after.end();
    const bool stays =
        std::ranges::find(flattened, term.term, &FlattenedTerm::term) != flattened.end();
    if (wanted && !stays) out = out.Union(IpRangeSet(ParseNetworks(term.networks)));
  }
  return out;
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

std::string UnflattenedText(const DomainName& domain, const std::string& published,
                            const std::vector<ManagedTerm>& managed) {
  absl::StatusOr<SpfRecord> record = ParseSpf(published);
  if (!record.ok()) return published;
  std::optional<size_t> place = CarrierIndex(*record, managed);
  if (!place.has_value()) return published;
  const std::string blanks = record->terms[*place].blanks_before;
  for (const DomainName& child : SpfChildrenOf(domain, managed)) {
    std::erase_if(record->terms,
                  [&](const SpfTerm& term) { return term.text == CarrierTerm(child); });
  }
  for (const ManagedTerm& one : managed) {
    if (!one.flattened) continue;
    absl::StatusOr<SpfTerm> term = ParseSpfTerm(one.term);
    if (!term.ok() || IndexOf(*record, one.term).has_value()) continue;
    term->blanks_before = blanks;
    record->terms.insert(record->terms.begin() + static_cast<std::ptrdiff_t>((*place)++),
                         *std::move(term));
  }
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
                            PlanSpf(domain, texts, InRecord(managed), std::move(approved)));
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
    for (const SpfChild& child : children) {
      if (child.text.empty() || std::ranges::find(names, child.owner) != names.end()) continue;
      names.push_back(child.owner);  // ours still, led to or not
    }
    for (const DomainName& name : names) {
      book.push_back({CarrierTerm(name), std::string(kFlattenedSourceId)});
    }
    out.plan.term_changes = DiffSpf(out.plan.before, out.plan.after, managed, book);
    return out;
  };
  if (!draft.plan.guards.empty() || draft.intended.empty()) return finish();

  SpfChoiceRequest request{domain, intended, InRecord(draft.plan.managed_after), managed, options};
  std::optional<DomainName> first;
  if (const absl::StatusOr<SpfRecord> record = ParseSpf(draft.live); record.ok()) {
    if (const auto index = CarrierIndex(*record, managed)) {
      const absl::StatusOr<DomainName> name = DomainName::Parse(record->terms[*index].domain_spec);
      if (name.ok()) first = *name;
    }
  }
  if (first.has_value()) request.chain = ChainFrom(*first, children);
  request.taken = taken;
  SpfChoice choice = ChooseFlattened(request);
  out.kept = std::move(choice.kept);
  out.flattened = std::move(choice.flattened);
  if (out.flattened.empty()) return finish();

  SpfChainRequest chain{domain, {}, request.chain, taken, options.child_octets};
  for (const FlattenedTerm& one : out.flattened) {
    chain.wanted = chain.wanted.Union(IpRangeSet(ParseNetworks(one.networks)));
  }
  chain.wanted = chain.wanted.Union(Returning(managed, draft.plan.managed_after, out.flattened));
  absl::StatusOr<std::vector<SpfChild>> laid = LayOutChain(chain);
  const auto publish = [&] {
    return WithCarrier(draft.intended, out.flattened, CarrierTerm(laid->front().owner));
  };
  // A chain that grows under a record that changes, too, would be evaluated with the old record for
  // a moment, and both together may take more look-ups than there may be. Under other names it is
  // evaluated only with the new one.
  if (laid.ok() && !chain.chain.empty() && laid->size() > chain.chain.size() &&
      publish() != draft.live) {
    for (const SpfChild& child : chain.chain) chain.taken.insert(child.owner);
    chain.chain.clear();
    laid = LayOutChain(chain);
  }
  if (!laid.ok()) {
    out.kept.emplace_back(MessageOf(laid.status()));
    out.flattened.clear();
    return finish();
  }
  out.plan.after = publish();
  for (auto child = laid->rbegin(); child != laid->rend(); ++child) {
    out.writes.push_back(*child);  // the deepest first
  }
  return finish();
}

}  // namespace dmarcate
