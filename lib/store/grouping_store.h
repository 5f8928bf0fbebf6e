// How people group what attribution told apart or threw together: sources merged into others, and
// address ranges split off. One value a domain, beside the policy store. Implementations: RocksDB
// (rocks_policy_store.h) and the fake in memory (fake_grouping_store.h).
//
// policyd/analysis/regroup.h says what it does to rows. Errors as in policy_store.h.

#ifndef DMARCATE_LIB_STORE_GROUPING_STORE_H_
#define DMARCATE_LIB_STORE_GROUPING_STORE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dmarcate {

// All rows of `from` count as `into`; or, with ranges, those whose address lies in one of them.
struct SourceGrouping {
  std::string from, into;           // source ids
  std::vector<std::string> ranges;  // "192.0.2.0/24"; empty: a merge
  std::string decided_by, note;
  absl::Time decide_time;
  friend bool operator==(const SourceGrouping&, const SourceGrouping&) = default;
};

struct SourceGroupings {
  std::string domain;
  std::vector<SourceGrouping> rules;  // in the order in which they were made
  uint64_t revision = 0;
  friend bool operator==(const SourceGroupings&, const SourceGroupings&) = default;
};

// Thread-safe.
class GroupingStore {
 public:
  virtual ~GroupingStore() = default;
  // Empty, with revision 0, if nobody has grouped anything.
  virtual absl::StatusOr<SourceGroupings> GetGroupings(std::string_view domain) = 0;
  // Synced. kAborted: the revision is another one now.
  virtual absl::StatusOr<SourceGroupings> PutGroupings(SourceGroupings groupings) = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_GROUPING_STORE_H_
