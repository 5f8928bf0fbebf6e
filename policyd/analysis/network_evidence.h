// policyd/analysis/network_evidence.h
// What the live DNS says about addresses: the ranges that catalogued services publish in SPF, and
// names that are confirmed both ways. A value that somebody gathered before; pure.

#ifndef DMARCATE_POLICYD_ANALYSIS_NETWORK_EVIDENCE_H_
#define DMARCATE_POLICYD_ANALYSIS_NETWORK_EVIDENCE_H_

#include <array>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"

#include "lib/base/ip_address.h"

namespace dmarcate {

// Thread-safe while nobody adds.
class NetworkEvidence {
 public:
  // `service_id`: of whose live SPF tree `network` is a part. A network that two services claim
  // tells neither: it is shared.
  void AddRange(const IpNetwork& network, std::string_view service_id);
  // `name`, lower case: the PTR of `address`, whose own addresses hold `address` (RFC 8601 section
  // 2.7.3, iprev). A name that nobody confirmed must not come here.
  void AddConfirmedName(const IpAddress& address, std::string_view name);
  // The DNS was asked, and no name of `address` is confirmed both ways.
  void AddNameless(const IpAddress& address);

  // The service of the longest range that holds `address`; empty: none, or it is shared.
  std::string_view ServiceOf(const IpAddress& address) const;
  // Empty: none is known.
  std::string_view ConfirmedNameOf(const IpAddress& address) const;
  // That it has none is known. Where neither is true nobody has learned anything.
  bool IsNameless(const IpAddress& address) const;

 private:
  static constexpr size_t kFamilies = 2, kLengths = 129;
  struct Hash {
    size_t operator()(const IpAddress& address) const;
  };
  template <typename T>
  using ByAddress = absl::flat_hash_map<IpAddress, T, Hash>;

  // By family and prefix length; a shared range has an empty id.
  std::array<std::array<ByAddress<std::string>, kLengths>, kFamilies> ranges_;
  ByAddress<std::string> names_;  // empty: it has none
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_NETWORK_EVIDENCE_H_
