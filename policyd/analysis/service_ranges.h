// What a live SPF tree says about whose an address is: the networks of a catalogued service, and
// the terms of a domain's own record. Pure: the tree was gathered before.

#ifndef DMARCATE_POLICYD_ANALYSIS_SERVICE_RANGES_H_
#define DMARCATE_POLICYD_ANALYSIS_SERVICE_RANGES_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/ip_address.h"
#include "lib/base/ip_range_set.h"
#include "lib/inspect/spf_tree.h"
#include "policyd/analysis/catalogue.h"

namespace dmarcate {

inline constexpr size_t kMaxServiceRanges = 5'000;  // of one include
inline constexpr size_t kMaxOwnTerms = 100;         // of one domain
inline constexpr size_t kMaxOwnNetworks = 2'000;    // over them

// The networks that pass by `tree`, the record of one of `service`'s includes; sorted, each once.
// Without what lies below an include of another service, whose addresses those are; without terms
// that are no list of addresses (macros, exists, ptr); and without networks so wide (over /8, over
// /24 in IPv6) that being in one says nothing.
std::vector<IpNetwork> RangesOfService(const SpfTree& tree, const MailService& service,
                                       const Catalogue& catalogue);

// One term of a domain's own record that lets mail through, and the networks that do by it.
struct OwnTerm {
  std::string term;                 // "include:_spf.vendor.example"
  std::vector<IpNetwork> networks;  // sorted
  bool complete = true;             // it lets no others through
  friend bool operator==(const OwnTerm&, const OwnTerm&) = default;
};
// In the order of the record. Wide networks are left out as above: what all addresses are in tells
// none from another.
std::vector<OwnTerm> OwnTerms(const SpfTree& tree);

// Which of `own` holds an address, found in time logarithmic in all their networks: a stranger may
// report mail from any number of addresses.
class OwnTermIndex {
 public:
  explicit OwnTermIndex(const std::vector<OwnTerm>& own);
  // The first term that does, by its place.
  std::optional<size_t> TermOf(const IpAddress& address) const;

 private:
  struct Entry {
    IpRange range;
    size_t term = 0;
  };
  std::vector<Entry> entries_;  // sorted, disjoint
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_SERVICE_RANGES_H_
