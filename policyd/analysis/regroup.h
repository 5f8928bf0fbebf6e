// What people did to the sources that attribution makes: some merged into others, address ranges
// split off. Pure, and a function of the row alone, so that sums over sources stay sums over rows.
// Taking a rule back gives exactly the sources of before.
//
// Splits are tried first, in the order in which they were made, then merges; of what a rule gives
// another rule may go on, at most kMaxSourceHops times.

#ifndef DMARCATE_POLICYD_ANALYSIS_REGROUP_H_
#define DMARCATE_POLICYD_ANALYSIS_REGROUP_H_

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "lib/base/ip_address.h"
#include "lib/report/model.h"
#include "lib/store/grouping_store.h"
#include "policyd/analysis/attribution.h"
#include "policyd/analysis/catalogue.h"

namespace dmarcate {

inline constexpr size_t kMaxGroupings = 500;  // of one domain
inline constexpr size_t kMaxGroupingRanges = 100;
inline constexpr size_t kMaxSourceHops = 8;
// Sources that were split off have ids of their own, which attribution never makes.
inline constexpr std::string_view kSplitPrefix = "split-";

// Thread-safe; a value.
class Regrouping {
 public:
  Regrouping() = default;
  // Ranges that do not parse are passed over: none is stored.
  explicit Regrouping(const std::vector<SourceGrouping>& rules);

  bool empty() const { return rules_.empty(); }
  // The source that a row counts as.
  std::string SourceOf(std::string_view source_id, const std::optional<IpAddress>& address) const;

 private:
  struct Rule {
    std::string into;
    std::vector<IpNetwork> ranges;  // empty: all
  };
  std::multimap<std::string, Rule, std::less<>> rules_;  // by `from`: splits before the merge
};

// `attribution` of `record` as people group it; null: as it is. A source that is the catalogue's
// has its service, whatever its rows were attributed to.
void Regroup(const AggregateRecord& record, const Catalogue& catalogue,
             const Regrouping* regrouping, Attribution* attribution);

// Whether `rule` may join `rules`.
//   kInvalidArgument    from or into is missing, they are the same, or the rule overflows a limit
//   kAlreadyExists      `from` is merged already, or `into` of a split is another one's
//   kFailedPrecondition it would lead back to `from`
absl::Status CheckGrouping(const std::vector<SourceGrouping>& rules, const SourceGrouping& rule);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_REGROUP_H_
