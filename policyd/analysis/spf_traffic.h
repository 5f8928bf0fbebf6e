// policyd/analysis/spf_traffic.h
// Which mail passed SPF through which term of a domain's record, by the reports about it. Pure.
//
// A message counts for the first term, in order, that lets its address through today, as a receiver
// would have it. So terms without any may go together: each message that was seen still meets the
// term by which it passed. Mail of an address that no term covers today passed by a record that
// was, or by addresses that a vendor has given up; which term let it through nobody can tell.
//
// Classes are kept apart: what ANCHORED reports say decides, what others that count say can only
// keep a term.

#ifndef DMARCATE_POLICYD_ANALYSIS_SPF_TRAFFIC_H_
#define DMARCATE_POLICYD_ANALYSIS_SPF_TRAFFIC_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/time.h"
#include "lib/inspect/spf_tree.h"
#include "lib/store/report_store.h"
#include "policyd/analysis/catalogue.h"
#include "policyd/analysis/network_evidence.h"
#include "policyd/analysis/regroup.h"
#include "policyd/analysis/spread.h"

namespace dmarcate {

inline constexpr size_t kMaxUnexplainedShown = 3;  // addresses

struct TermTraffic {
  int64_t anchored = 0, others = 0;  // messages, by class of the report
  int64_t behind = 0;  // of both, from its addresses, that an earlier term let through
  std::optional<DayNumber> last_day;       // of those that count for it
  std::map<std::string, int64_t> sources;  // messages by source id, of both
};

struct SpfTraffic {
  DayRange range;
  std::vector<TermTraffic> terms;  // as the children of the tree's root
  int64_t passed = 0;              // messages that passed by the record, by ANCHORED reports
  std::map<std::string, int64_t> passed_by;  // of these, by reporter
  int64_t unexplained = 0;                   // of these, from addresses that no term covers today
  std::vector<std::string> unexplained_addresses;      // the first few
  std::map<std::string, std::set<DayNumber>> anchors;  // the days with a report, by reporter
  std::set<std::string> sources;  // with mail of any kind, by reports that count
  bool sources_known = true;      // false: anchors name more than are kept apart
};

// What one term of an expanded record lets through by the address alone.
struct TermReach {
  bool judged = false;    // include, a, mx, ip4 and ip6 that let through, before `all`
  std::string why_not;    // where not
  bool certain = true;    // false: more addresses may pass than are known
  std::string uncertain;  // why
};
std::vector<TermReach> ReachOfTerms(const SpfTree& tree);

// Not thread-safe. Add() each current report of the range once, in any order; then Finish().
class SpfTrafficBuilder {
 public:
  // All but `range` outlive it. `network` and `regrouping`: as for StatisticsBuilder, so that both
  // name the same sources.
  SpfTrafficBuilder(std::string_view domain, const DayRange& range, const SpfTree& tree,
                    const Catalogue& catalogue, const NetworkEvidence* network = nullptr,
                    const Regrouping* regrouping = nullptr);
  ~SpfTrafficBuilder();
  SpfTrafficBuilder(const SpfTrafficBuilder&) = delete;
  SpfTrafficBuilder& operator=(const SpfTrafficBuilder&) = delete;

  // What is out of the range, or counts nowhere, is left out.
  void Add(const StoredReport& report);
  SpfTraffic Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_SPF_TRAFFIC_H_
