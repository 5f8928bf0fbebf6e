#include "policyd/plan/spf_carrier.h"

#include <algorithm>
#include <set>
#include <utility>

#include "fmt/format.h"

#include "lib/inspect/spf_outcome.h"
#include "policyd/plan/spf_choice.h"

namespace dmarcate {
namespace {

// A term that lets these networks through, and asks nobody.
SpfNode Addresses(std::string term, std::vector<IpNetwork> networks) {
  SpfNode node;
  node.term = std::move(term);
  node.kind = SpfKind::kIp4;
  node.networks = std::move(networks);
  return node;
}

}  // namespace

CarriedSet CarriedBy(const SpfTree& intended, const std::vector<FlattenedTerm>& flattened) {
  IpRangeSet all;
  for (const FlattenedTerm& one : flattened) {
    all = all.Union(IpRangeSet(ParseNetworks(one.networks)));
  }
  SpfNode meant;    // every term in its place
  SpfNode carried;  // one for all, where the first stood
  SpfNode without;  // none of them
  std::set<std::string> met;
  for (const SpfNode& node : intended.root.children) {
    const auto flat = std::ranges::find(flattened, node.term, &FlattenedTerm::term);
    if (flat == flattened.end() || !met.insert(node.term).second) {
      for (SpfNode* record : {&meant, &carried, &without}) record->children.push_back(node);
      continue;
    }
    meant.children.push_back(Addresses(node.term, ParseNetworks(flat->networks)));
    if (met.size() == 1) carried.children.push_back(Addresses("(flattened)", all.ToNetworks()));
  }
  const std::string domain = intended.domain.text();
  SpfOutcomes outcomes;
  CarriedSet out;
  std::vector<IpRange> left_out;
  for (const SpfSpan& span :
       CompareSpf({{&meant, domain}, {&carried, domain}, {&without, domain}}, outcomes)) {
    if (span.outcomes[1] == span.outcomes[0]) continue;
    left_out.push_back({span.first, span.last});
    if (span.outcomes[2] == span.outcomes[0] || !out.why_not.empty()) continue;
    out.why_not = fmt::format("{} cannot stand together: what is between them makes {} \"{}\"",
                              fmt::join(met, " and "), span.first.ToString(),
                              outcomes.ToText(span.outcomes[0]));
  }
  if (outcomes.overflowed()) {
    out.why_not = "what the record asks besides the address is too much to compare";
  }
  out.passing = all.Minus(IpRangeSet::Of(std::move(left_out)));
  return out;
}

}  // namespace dmarcate
