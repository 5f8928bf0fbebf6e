// Which addresses an expanded tree lets pass.

#include <cstdint>
#include <vector>

#include "lib/inspect/spf_tree.h"

namespace dmarcate {
namespace {

// What one term says about `address`, and then what a record does.
enum class Match : uint8_t { kYes, kNo, kMaybe, kError };

Match MatchNode(const SpfNode& node, const IpAddress& address);

SpfCoverage WalkRecord(const SpfNode& node, const IpAddress& address) {
  // An unknown term leaves both ways open; the walk goes on with what it would have said.
  bool maybe_inside = false;
  bool maybe_outside = false;
  const auto conclude = [&](SpfCoverage rest) {
    if (rest == SpfCoverage::kInside && !maybe_outside) return SpfCoverage::kInside;
    if (rest == SpfCoverage::kOutside && !maybe_inside) return SpfCoverage::kOutside;
    return SpfCoverage::kUnknown;
  };
  const SpfNode* redirect = nullptr;
  for (const SpfNode& child : node.children) {
    if (!child.reached) continue;
    if (child.kind == SpfKind::kRedirect) {
      redirect = &child;
      continue;
    }
    const bool passes = child.qualifier == SpfQualifier::kPass;
    switch (MatchNode(child, address)) {
      case Match::kYes:
        return conclude(passes ? SpfCoverage::kInside : SpfCoverage::kOutside);
      case Match::kError:
        return conclude(SpfCoverage::kOutside);
      case Match::kMaybe:
        (passes ? maybe_inside : maybe_outside) = true;
        break;
      case Match::kNo:
        break;
    }
  }
  // A record that was cut may have gone on.
  if (!node.complete && !node.error.empty()) return SpfCoverage::kUnknown;
  if (redirect == nullptr) return conclude(SpfCoverage::kOutside);
  if (redirect->dynamic || (!redirect->complete && redirect->record_text.empty())) {
    return SpfCoverage::kUnknown;
  }
  if (!redirect->error.empty() && redirect->complete) return conclude(SpfCoverage::kOutside);
  return conclude(WalkRecord(*redirect, address));
}

Match MatchNode(const SpfNode& node, const IpAddress& address) {
  for (const IpNetwork& network : node.networks) {
    if (network.Contains(address)) return Match::kYes;
  }
  if (node.kind != SpfKind::kInclude) {
    if (!node.error.empty() && node.complete) return Match::kError;
    return node.dynamic || !node.complete ? Match::kMaybe : Match::kNo;
  }
  if (node.dynamic || (!node.complete && node.record_text.empty())) return Match::kMaybe;
  if (!node.error.empty() && node.complete) return Match::kError;
  switch (WalkRecord(node, address)) {
    case SpfCoverage::kInside:
      return Match::kYes;
    case SpfCoverage::kOutside:
      return Match::kNo;
    case SpfCoverage::kUnknown:
      return Match::kMaybe;
  }
  return Match::kMaybe;
}

void CollectPassing(const SpfNode& node, std::vector<IpNetwork>& out) {
  out.insert(out.end(), node.networks.begin(), node.networks.end());
  for (const SpfNode& child : node.children) {
    if (child.reached && child.qualifier == SpfQualifier::kPass) CollectPassing(child, out);
  }
}

}  // namespace

std::vector<IpNetwork> PassNetworks(const SpfNode& node) {
  std::vector<IpNetwork> out;
  if (node.reached && node.qualifier == SpfQualifier::kPass) CollectPassing(node, out);
  return out;
}

SpfCoverage Covers(const SpfTree& tree, const IpAddress& address) {
  return WalkRecord(tree.root, address);
}

}  // namespace dmarcate
