// policyd/plan/spf_children.h
// Child records: "_spf1.example.com" and on, each with addresses and an include of the next, where
// the flattened part of an SPF record stands. They are ours alone; a name that holds anything else
// is never taken. Pure.
//
// They are written deepest first, and whoever evaluates while they are being written must find
// every address that both the old and the new chain let through. So an address that stays only ever
// moves deeper: it is added below before it goes above.

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

// "_spfN" directly below `domain`.
bool IsSpfChildOf(const DomainName& owner, const DomainName& domain);
absl::StatusOr<DomainName> SpfChildName(const DomainName& domain, int number);

// Of those in `children`, the ones that `first` leads to, in order, as far as they parse.
std::vector<SpfChild> ChainFrom(const DomainName& first, const std::vector<SpfChild>& children);

struct SpfChainRequest {
  DomainName domain;
  IpRangeSet wanted;            // what all of them together shall let through
  std::vector<SpfChild> chain;  // what there is, shallowest first: ChainFrom
  std::set<DomainName> taken;   // names that are not free, those of `chain` aside
  size_t max_octets = 450;      // of owner name and text of one (reference/spf.md section 7)
};
// The new chain, shallowest first; empty if nothing is wanted. Records of `chain` that are not in
// it are no longer led to.
//   kResourceExhausted  there are not enough names, or one term has no room
absl::StatusOr<std::vector<SpfChild>> LayOutChain(const SpfChainRequest& request);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_SPF_CHILDREN_H_
