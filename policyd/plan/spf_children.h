// policyd/plan/spf_children.h
// Child records: "_spf-0123456789ab.example.com", each with addresses and an include of the next,
// where the flattened part of an SPF record stands. They are ours alone; a name that holds anything
// else is never taken. Pure.
//
// A child is named after what it says, so it never changes: other content has another name, and
// what any receiver has in its cache of a child is what that child says now. Whoever evaluates the
// old record finds the old children, whoever evaluates the new one the new children, and no moment
// has a part of each. The price is that children which nothing leads to any more have to be taken
// away later (spf_cleanup.h).

#ifndef DMARCATE_POLICYD_PLAN_SPF_CHILDREN_H_
#define DMARCATE_POLICYD_PLAN_SPF_CHILDREN_H_

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/base/ip_range_set.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

// One child, as it is or shall be.
struct SpfChild {
  DomainName owner;
  std::string text;  // empty: no record
};

// What a child record says; nothing else may stand in one.
struct SpfChildContent {
  IpRangeSet passing;
  std::optional<DomainName> next;  // included
};
//   kInvalidArgument  it is not "v=spf1 ip4:... ip6:... [include:NEXT] -all": not written by us
absl::StatusOr<SpfChildContent> ParseSpfChild(std::string_view text);

// "_spf-" and 12 hex digits, directly below `domain`.
bool IsSpfChildOf(const DomainName& owner, const DomainName& domain);
// How many names there are for one text; the first that is free is taken.
inline constexpr int kSpfChildNames = 8;
// The name of a child of `domain` that says `text`: from the SHA-256 of both and of `number`, below
// kSpfChildNames.
//   kInvalidArgument  the name would be too long
absl::StatusOr<DomainName> SpfChildName(const DomainName& domain, std::string_view text,
                                        int number);
// Whether `child` has one of the names of its text. If not, somebody else changed it.
bool IsNamedAfterText(const SpfChild& child, const DomainName& domain);

// Of those in `children`, the ones that `first` leads to, in order. Empty if that is no whole chain
// of ours: one is missing, or was changed by somebody.
std::vector<SpfChild> ChainFrom(const DomainName& domain, const DomainName& first,
                                const std::vector<SpfChild>& children);

struct SpfChainRequest {
  DomainName domain;
  IpRangeSet wanted;            // what all of them together shall let through
  std::vector<SpfChild> chain;  // what there is, shallowest first: ChainFrom
  std::set<DomainName> taken;   // names that hold something else
  size_t max_octets = 450;      // of owner name and text of one (reference/spf.md section 7)
};
// The new chain, shallowest first; empty if nothing is wanted. As much of the end of `chain` as
// possible stays, as long as that makes the chain no longer.
//   kResourceExhausted  all names of one text are taken, or one term has no room
absl::StatusOr<std::vector<SpfChild>> LayOutChain(const SpfChainRequest& request);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_SPF_CHILDREN_H_
