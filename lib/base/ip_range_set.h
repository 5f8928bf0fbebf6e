// lib/base/ip_range_set.h
// A set of addresses of both families, as the intervals that it consists of. Pure values.

#ifndef DMARCATE_LIB_BASE_IP_RANGE_SET_H_
#define DMARCATE_LIB_BASE_IP_RANGE_SET_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "lib/base/ip_address.h"

namespace dmarcate {

// Both ends belong to it, and are of one family.
struct IpRange {
  IpAddress first, last;
  friend bool operator==(const IpRange&, const IpRange&) = default;
};

// The range of a network. An IPv6 network that holds the IPv4-mapped addresses has a hole there
// and is two ranges: a client with such an address is an IPv4 client (RFC 7208 section 5).
std::vector<IpRange> RangesOf(const IpNetwork& network);

// Ordered, disjoint, never adjacent ranges: two sets are equal if and only if they hold the same
// addresses. Operations take time linear in the ranges, after sorting.
class IpRangeSet {
 public:
  IpRangeSet() = default;
  explicit IpRangeSet(const std::vector<IpNetwork>& networks);
  // In any order, overlapping as they like; each of one family.
  static IpRangeSet Of(std::vector<IpRange> ranges);

  const std::vector<IpRange>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }
  bool Contains(const IpAddress& address) const;
  bool Contains(const IpRangeSet& other) const { return other.Minus(*this).empty(); }
  IpRangeSet Union(const IpRangeSet& other) const;
  IpRangeSet Minus(const IpRangeSet& other) const;
  IpRangeSet Intersection(const IpRangeSet& other) const { return Minus(Minus(other)); }
  // As few networks as can be, IPv4 first, in order of address.
  std::vector<IpNetwork> ToNetworks() const;
  // Of IPv4; at most 2^32.
  int64_t Ipv4AddressCount() const;

  friend bool operator==(const IpRangeSet&, const IpRangeSet&) = default;

 private:
  std::vector<IpRange> ranges_;
};

// The address after, or before, in the family; nullopt at its end.
std::optional<IpAddress> NextAddress(const IpAddress& address);
std::optional<IpAddress> PreviousAddress(const IpAddress& address);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_IP_RANGE_SET_H_
