#include "policyd/analysis/service_ranges.h"

#include <algorithm>
#include <iterator>
#include <set>

namespace dmarcate {
namespace {

// As for the ranges of the catalogue itself (catalogue_file.cc).
constexpr int kWidestIpv4 = 8;
constexpr int kWidestIpv6 = 24;

bool SaysSomething(const IpNetwork& network) {
  return network.prefix_length >= (network.address.is_v4() ? kWidestIpv4 : kWidestIpv6);
}

void Collect(const SpfNode& node, const MailService& service, const Catalogue& catalogue,
             std::set<IpNetwork>& out) {
  for (const SpfNode& child : node.children) {
    if (!child.reached || child.qualifier != SpfQualifier::kPass) continue;
    const bool leads = child.kind == SpfKind::kInclude || child.kind == SpfKind::kRedirect;
    if (leads) {
      const MailService* const owner = catalogue.FindByInclude(child.target);
      if (owner != nullptr && owner != &service) continue;
      Collect(child, service, catalogue, out);
    } else if (!child.dynamic && child.kind != SpfKind::kAll) {
      for (const IpNetwork& network : child.networks) {
        if (SaysSomething(network) && out.size() < kMaxServiceRanges) out.insert(network);
      }
    }
  }
}

bool HasDynamicTerm(const SpfNode& node) {
  return node.dynamic || std::ranges::any_of(node.children, HasDynamicTerm);
}

}  // namespace

std::vector<IpNetwork> RangesOfService(const SpfTree& tree, const MailService& service,
                                       const Catalogue& catalogue) {
  std::set<IpNetwork> out;
  Collect(tree.root, service, catalogue, out);
  return {out.begin(), out.end()};
}

std::vector<OwnTerm> OwnTerms(const SpfTree& tree) {
  std::vector<OwnTerm> out;
  size_t networks = 0;
  for (const SpfNode& child : tree.root.children) {
    if (!child.reached || child.qualifier != SpfQualifier::kPass || out.size() == kMaxOwnTerms) {
      continue;
    }
    OwnTerm term{.term = child.term,
                 .networks = PassNetworks(child),
                 .complete = child.complete && !HasDynamicTerm(child)};
    const size_t wide = std::erase_if(
        term.networks, [](const IpNetwork& network) { return !SaysSomething(network); });
    std::ranges::sort(term.networks);
    const auto repeated = std::ranges::unique(term.networks);
    term.networks.erase(repeated.begin(), repeated.end());
    const size_t kept = std::min(term.networks.size(), kMaxOwnNetworks - networks);
    if (wide > 0 || kept < term.networks.size()) term.complete = false;
    term.networks.resize(kept);
    networks += term.networks.size();
    if (!term.networks.empty()) out.push_back(std::move(term));
  }
  return out;
}

OwnTermIndex::OwnTermIndex(const std::vector<OwnTerm>& own) {
  IpRangeSet before;
  for (size_t term = 0; term < own.size(); ++term) {
    const IpRangeSet set(own[term].networks);
    const IpRangeSet fresh = set.Minus(before);
    for (const IpRange& range : fresh.ranges()) entries_.push_back({range, term});
    before = before.Union(set);
  }
  std::ranges::sort(entries_, {}, [](const Entry& entry) { return entry.range.first; });
}

std::optional<size_t> OwnTermIndex::TermOf(const IpAddress& address) const {
  const auto after = std::ranges::upper_bound(entries_, address, {},
                                              [](const Entry& entry) { return entry.range.first; });
  if (after == entries_.begin()) return std::nullopt;
  const Entry& entry = *std::prev(after);
  if (entry.range.last < address || entry.range.first.is_v4() != address.is_v4()) {
    return std::nullopt;
  }
  return entry.term;
}

}  // namespace dmarcate
