#include "lib/base/ip_range_set.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/numeric/int128.h"

namespace dmarcate {
namespace {

using Number = absl::uint128;

// ::ffff:0:0/96, where IPv4 is kept.
constexpr Number kMappedFirst = Number{0xFFFF} << 32;
constexpr Number kMappedLast = kMappedFirst + 0xFFFFFFFFU;
const Number kLast = absl::Uint128Max();

Number ToNumber(const IpAddress& address) {
  Number out = 0;
  for (const uint8_t byte : address.bytes()) out = out << 8 | Number{byte};
  return out;
}

IpAddress ToAddress(Number number) {
  std::array<uint8_t, 16> bytes{};
  for (size_t i = bytes.size(); i-- > 0;) {
    bytes[i] = static_cast<uint8_t>(absl::Uint128Low64(number) & 0xFF);
    number >>= 8;
  }
  return IpAddress::FromBytes(bytes);
}

// Adjacent, or overlapping, and of one family.
bool Touch(const IpRange& a, const IpRange& b) {
  if (a.first.is_v4() != b.first.is_v4()) return false;
  if (b.first <= a.last) return true;
  return ToNumber(a.last) + 1 == ToNumber(b.first);
}

void AppendNetworks(const IpRange& range, std::vector<IpNetwork>& out) {
  const bool ipv4 = range.first.is_v4();
  const Number last = ToNumber(range.last);
  Number first = ToNumber(range.first);
  while (true) {
    // The largest block that begins here and ends within the range.
    int free_bits = 0;
    const int most = ipv4 ? 32 : 128;
    while (free_bits < most) {
      const int next = free_bits + 1;
      const Number mask = next == 128 ? kLast : (Number{1} << next) - 1;
      if ((first & mask) != 0 || mask > last - first) break;
      free_bits = next;
    }
    out.push_back({ToAddress(first), (ipv4 ? 32 : 128) - free_bits});
    const Number mask = free_bits == 128 ? kLast : (Number{1} << free_bits) - 1;
    if (first + mask == last) return;
    first += mask + 1;
  }
}

}  // namespace

std::optional<IpAddress> NextAddress(const IpAddress& address) {
  const Number number = ToNumber(address);
  if (number == kLast || number == kMappedLast || number + 1 == kMappedFirst) return std::nullopt;
  return ToAddress(number + 1);
}

std::optional<IpAddress> PreviousAddress(const IpAddress& address) {
  const Number number = ToNumber(address);
  if (number == 0 || number == kMappedFirst || number - 1 == kMappedLast) return std::nullopt;
  return ToAddress(number - 1);
}

std::vector<IpRange> RangesOf(const IpNetwork& network) {
  const bool ipv4 = network.address.is_v4();
  const int free_bits = (ipv4 ? 32 : 128) - network.prefix_length;
  const Number first = ToNumber(network.address);
  const Number last = free_bits >= 128 ? kLast : first + ((Number{1} << free_bits) - 1);
  if (ipv4 || last < kMappedFirst || first > kMappedLast) {
    return {{network.address, ToAddress(last)}};
  }
  std::vector<IpRange> out;
  if (first < kMappedFirst) out.push_back({network.address, ToAddress(kMappedFirst - 1)});
  if (last > kMappedLast) out.push_back({ToAddress(kMappedLast + 1), ToAddress(last)});
  return out;
}

IpRangeSet::IpRangeSet(const std::vector<IpNetwork>& networks) {
  std::vector<IpRange> ranges;
  for (const IpNetwork& network : networks) {
    for (const IpRange& range : RangesOf(network)) ranges.push_back(range);
  }
  *this = Of(std::move(ranges));
}

IpRangeSet IpRangeSet::Of(std::vector<IpRange> ranges) {
  std::ranges::sort(ranges, {}, [](const IpRange& range) { return range.first; });
  IpRangeSet out;
  for (const IpRange& range : ranges) {
    if (!out.ranges_.empty() && Touch(out.ranges_.back(), range)) {
      out.ranges_.back().last = std::max(out.ranges_.back().last, range.last);
    } else {
      out.ranges_.push_back(range);
    }
  }
  return out;
}

bool IpRangeSet::Contains(const IpAddress& address) const {
  const auto after = std::ranges::upper_bound(ranges_, address, {}, &IpRange::first);
  if (after == ranges_.begin()) return false;
  const IpRange& range = *std::prev(after);
  return address <= range.last && range.first.is_v4() == address.is_v4();
}

IpRangeSet IpRangeSet::Union(const IpRangeSet& other) const {
  std::vector<IpRange> all = ranges_;
  all.insert(all.end(), other.ranges_.begin(), other.ranges_.end());
  return Of(std::move(all));
}

IpRangeSet IpRangeSet::Minus(const IpRangeSet& other) const {
  std::vector<IpRange> left;
  auto hole = other.ranges_.begin();
  for (IpRange range : ranges_) {
    while (hole != other.ranges_.end() && hole->last < range.first) ++hole;
    bool gone = false;
    for (auto it = hole; it != other.ranges_.end() && it->first <= range.last; ++it) {
      if (it->first > range.first) left.push_back({range.first, *PreviousAddress(it->first)});
      if (it->last >= range.last) {
        gone = true;
        break;
      }
      range.first = *NextAddress(it->last);
    }
    if (!gone) left.push_back(range);
  }
  return Of(std::move(left));
}

std::vector<IpNetwork> IpRangeSet::ToNetworks() const {
  std::vector<IpNetwork> out;
  for (const bool ipv4 : {true, false}) {
    for (const IpRange& range : ranges_) {
      if (range.first.is_v4() == ipv4) AppendNetworks(range, out);
    }
  }
  return out;
}

int64_t IpRangeSet::Ipv4AddressCount() const {
  int64_t count = 0;
  for (const IpRange& range : ranges_) {
    if (range.first.is_v4()) count += int64_t{range.last.v4()} - int64_t{range.first.v4()} + 1;
  }
  return count;
}

}  // namespace dmarcate
