// lib/store/day_range.h
// The keys of a domain's days, in every family whose keys begin with domain and day.

#ifndef DMARCATE_LIB_STORE_DAY_RANGE_H_
#define DMARCATE_LIB_STORE_DAY_RANGE_H_

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "lib/store/key_codec.h"

namespace dmarcate {

// [first, last], both included; `from` <= key < `to`.
struct DayKeyRange {
  DayKeyRange(std::string_view domain, DayNumber first, DayNumber last)
      : from(DayDbKey(domain, first)), to(KeyAfterPrefix(DayDbKey(domain, last))) {}
  // Where a page that reads backwards begins: at `key` itself. One of another domain is none.
  void EndWith(std::string_view domain, const std::optional<ReportKey>& key) {
    if (key && key->domain == domain) to = std::min(to, ReportDbKey(*key) + '\0');
  }
  std::string from, to;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_DAY_RANGE_H_
