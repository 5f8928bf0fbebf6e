// policyd/plan/spf_follow.h
// What became of a vendor whose addresses stand in child records: whether it lets other ones
// through now than when it was flattened. Pure. What cannot be read changes nothing.

#ifndef DMARCATE_POLICYD_PLAN_SPF_FOLLOW_H_
#define DMARCATE_POLICYD_PLAN_SPF_FOLLOW_H_

#include <cstdint>
#include <string>
#include <vector>

#include "lib/base/ip_range_set.h"
#include "lib/inspect/spf_tree.h"
#include "lib/mailauth/domain_name.h"
#include "lib/store/policy_store.h"

namespace dmarcate {

// What may change at a vendor without a person who looks at it.
struct FollowLimits {
  int lost_percent = 25;               // of the IPv4 addresses, and of the IPv6 networks
  int64_t gained_addresses = 1 << 16;  // IPv4
  int gained_ipv6_prefix = 32;         // a wider network
};

// What is done about it without a person.
enum class SpfFollowMode : uint8_t {
  kInsight,  // it is told, and nothing else
  kPlan,     // a plan is made, and waits
  kApply,    // and applied, where it changes nothing but addresses of vendors, within FollowLimits
};

struct VendorChange {
  IpRangeSet gained, lost;
  std::string needs_person;  // why; empty: it is within the limits
  bool empty() const { return gained.empty() && lost.empty(); }
};
VendorChange CompareVendor(const std::vector<std::string>& networks_before,
                           const std::vector<std::string>& networks_now,
                           const FollowLimits& limits = {});

struct VendorFollow {
  enum class Outcome : uint8_t {
    kSame,
    kChanged,
    kUnknown,  // it could not be read: the addresses that it had stay
    kBroken,   // it can be read and can no longer be flattened: it is gone, or asks for the sender
  };
  Outcome outcome = Outcome::kSame;
  std::string why;                    // of kUnknown and kBroken
  VendorChange change;                // of kChanged
  std::vector<std::string> networks;  // of kSame and kChanged
};
// The record whose tree is wanted: one that has the term alone.
std::string FollowText(const ManagedTerm& flattened);
// `now`: the tree of FollowText as the record of `domain`.
VendorFollow FollowVendor(const DomainName& domain, const ManagedTerm& flattened,
                          const SpfTree& now, const FollowLimits& limits = {});

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_SPF_FOLLOW_H_
