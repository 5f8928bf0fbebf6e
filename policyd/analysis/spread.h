// policyd/analysis/spread.h
// The days to which a report's messages count in day views (DESIGN section 5): a span of up to 26
// hours belongs to the UTC day of its midpoint; a longer one is spread over its days, in integers,
// sum preserved, and marked as estimated.

#ifndef DMARCATE_POLICYD_ANALYSIS_SPREAD_H_
#define DMARCATE_POLICYD_ANALYSIS_SPREAD_H_

#include <cstdint>

#include "lib/base/time.h"

namespace dmarcate {

inline constexpr int64_t kMaxUnspreadSeconds = 26 * 3600;

// Days from `first` to `last`, both included.
struct DayRange {
  DayNumber first = 0;
  DayNumber last = 0;
  int32_t days() const { return last - first + 1; }
  friend bool operator==(const DayRange&, const DayRange&) = default;
};

// Deals the messages of one report out to its days, in turn, so that each day gets its share of
// every row and the shares of a row add up to the row. Days outside the range asked for are left
// out, so that the points of a series always add up to its total.
class DaySpread {
 public:
  // `begin`, `end` in seconds since 1970, as in the report; `day` is the report's midpoint day,
  // which lies in `range`.
  DaySpread(int64_t begin, int64_t end, DayNumber day, const DayRange& range);

  bool estimated() const { return days_.days() > 1; }
  const DayRange& days() const { return days_; }

  // Calls `visit(day, share)` for each day with a share over 0 of the next `messages` messages.
  template <typename Visit>
  void Deal(int64_t messages, Visit&& visit) {
    const int64_t count = days_.days();
    const int64_t each = messages / count;
    const int64_t extra = messages % count;
    for (int64_t i = 0; i < count; ++i) {
      // The days at next_, next_ + 1, ... take one message more.
      const int64_t turn = (i - next_ + count) % count;
      if (const int64_t share = each + (turn < extra ? 1 : 0); share > 0) {
        visit(static_cast<DayNumber>(days_.first + i), share);
      }
    }
    next_ = (next_ + extra) % count;
  }

 private:
  DayRange days_;
  int64_t next_ = 0;  // whose turn it is, counted from days_.first
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_SPREAD_H_
