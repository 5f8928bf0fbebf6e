#include "policyd/analysis/spread.h"

#include <algorithm>

namespace dmarcate {

DaySpread::DaySpread(int64_t begin, int64_t end, DayNumber day, const DayRange& range)
    : days_{day, day} {
  if (end <= begin || end - begin <= kMaxUnspreadSeconds) return;
  // The second at `end` belongs to the span for some reporters and not for others; a span that
  // ends at midnight must not reach into the day that begins there.
  days_.first = std::clamp(DayOfUnix(begin), range.first, day);
  days_.last = std::clamp(DayOfUnix(end - 1), day, range.last);
}

}  // namespace dmarcate
