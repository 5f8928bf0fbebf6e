#include "policyd/plan/spf_follow.h"

#include <algorithm>

#include "fmt/format.h"

#include "lib/inspect/spf_outcome.h"
#include "policyd/plan/spf_choice.h"

namespace dmarcate {
namespace {

// The error that stands deepest on the first way to one.
std::string FirstError(const SpfNode& node) {
  for (const SpfNode& child : node.children) {
    if (!child.reached) continue;
    if (std::string found = FirstError(child); !found.empty()) return found;
  }
  return node.error;
}

std::string WhyAPerson(const IpRangeSet& before, const VendorChange& change,
                       const FollowLimits& limits) {
  const int64_t had = before.Ipv4AddressCount();
  const int64_t lost = change.lost.Ipv4AddressCount();
  if (had > 0 && lost * 100 > had * limits.lost_percent) {
    return fmt::format("{} of {} IPv4 addresses would go, over {} %", lost, had,
                       limits.lost_percent);
  }
  // Of IPv6 networks count: addresses would weigh a /32 against a /64.
  const auto networks = [](const IpRangeSet& set) {
    return std::ranges::count_if(set.ToNetworks(),
                                 [](const IpNetwork& network) { return !network.address.is_v4(); });
  };
  const int64_t had_networks = networks(before);
  const int64_t lost_networks = networks(change.lost);
  if (lost_networks * 100 > had_networks * limits.lost_percent) {
    return fmt::format("{} of {} IPv6 networks would go, over {} %", lost_networks, had_networks,
                       limits.lost_percent);
  }
  const int64_t gained = change.gained.Ipv4AddressCount();
  if (gained > limits.gained_addresses) {
    return fmt::format("{} IPv4 addresses would come, over {}", gained, limits.gained_addresses);
  }
  for (const IpNetwork& network : change.gained.ToNetworks()) {
    if (!network.address.is_v4() && network.prefix_length < limits.gained_ipv6_prefix) {
      return fmt::format("{} would come, wider than /{}", network.ToString(),
                         limits.gained_ipv6_prefix);
    }
  }
  return "";
}

}  // namespace

VendorChange CompareVendor(const std::vector<std::string>& networks_before,
                           const std::vector<std::string>& networks_now,
                           const FollowLimits& limits) {
  const IpRangeSet before(ParseNetworks(networks_before));
  const IpRangeSet now(ParseNetworks(networks_now));
  VendorChange change{now.Minus(before), before.Minus(now), ""};
  change.needs_person = WhyAPerson(before, change, limits);
  return change;
}

std::string FollowText(const ManagedTerm& flattened) {
  return fmt::format("v=spf1 {} -all", flattened.term);
}

VendorFollow FollowVendor(const DomainName& domain, const ManagedTerm& flattened,
                          const SpfTree& now, const FollowLimits& limits) {
  VendorFollow follow;
  if (!now.complete) {
    follow.outcome = VendorFollow::Outcome::kUnknown;
    follow.why = now.incomplete_reason;
    return follow;
  }
  const SpfPassSet set = PassSetOf(now.root, domain.text());
  if (set.depends || set.fails || set.passing.empty()) {
    follow.outcome = VendorFollow::Outcome::kBroken;
    follow.why = FirstError(now.root);
    if (follow.why.empty()) {
      follow.why = set.depends ? "what it lets through depends on more than the address now"
                               : "it lets nothing through any more";
    }
    return follow;
  }
  for (const IpNetwork& network : set.passing.ToNetworks()) {
    follow.networks.push_back(network.ToString());
  }
  follow.change = CompareVendor(flattened.networks, follow.networks, limits);
  if (!follow.change.empty()) follow.outcome = VendorFollow::Outcome::kChanged;
  return follow;
}

}  // namespace dmarcate
