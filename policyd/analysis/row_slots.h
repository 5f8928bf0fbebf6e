// policyd/analysis/row_slots.h
// The sources of a range of days, numbered in the order in which they come: where sums of them go.
// Those without a place of their own (source_places.h) share one slot, as in statistics.h; but who
// is named by a believed report has one for all of its rows, also for what others said of it
// before.

#ifndef DMARCATE_POLICYD_ANALYSIS_ROW_SLOTS_H_
#define DMARCATE_POLICYD_ANALYSIS_ROW_SLOTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "policyd/analysis/row_sums.h"

namespace dmarcate {

class RowSlots {
 public:
  static constexpr uint32_t kOverflow = kMaxSources;

  // Where what belongs to a DaySource begins in the vectors of its DayRows.
  struct Begin {
    uint32_t cell = 0, sum = 0, anchor = 0, address = 0;
  };

  // Calls `visit(slot, DaySource, DayRows, Begin)` for each DaySource.
  template <typename Visit>
  RowSlots(const RowDays& rows, Visit&& visit)
      : names_(rows.names), slots_(rows.names.sources(), kNone) {
    sources_.reserve(std::min<size_t>(rows.names.sources(), kMaxSources));
    const std::vector<bool> believed = BelievedOf(rows);
    SourcePlaces places;
    ForEach(rows, [&](const DaySource& source, const DayRows& day, const Begin& begin) {
      uint32_t& slot = slots_[source.source];
      if (slot == kNone) {
        if (places.Take(believed.empty() || believed[source.source])) {
          slot = static_cast<uint32_t>(sources_.size());
          sources_.push_back(source.source);
        } else {
          slot = kOverflow;
          overflow_ = true;
        }
      }
      visit(slot, source, day, begin);
    });
  }

  template <typename Visit>
  static void ForEach(const RowDays& rows, Visit&& visit) {
    for (const DayRows* day : rows.days) {
      Begin begin;
      for (const DaySource& source : day->sources) {
        visit(source, *day, begin);
        begin = {source.cells_end, source.sums_end, source.anchors_end, source.addresses_end};
      }
    }
  }

  uint32_t Of(uint32_t source) const { return slots_[source]; }
  static constexpr uint32_t kNone = UINT32_MAX;  // not in these days
  bool overflow() const { return overflow_; }
  // All slots are less. With an overflow some below it may be free.
  size_t size() const { return overflow_ ? kOverflow + 1 : sources_.size(); }
  // size(), before anything is known but the names.
  static size_t MostOf(const RowDays& rows) {
    return rows.names.sources() > kMaxClaimedSources ? kOverflow + 1 : rows.names.sources();
  }
  // Those that are taken, the overflow last.
  std::vector<uint32_t> All() const {
    std::vector<uint32_t> all(sources_.size());
    std::iota(all.begin(), all.end(), 0);
    if (overflow_) all.push_back(kOverflow);
    return all;
  }
  std::string IdOf(uint32_t slot) const {
    return slot == kOverflow ? std::string(kOverflowSourceId) : names_.SourceId(sources_[slot]);
  }
  uint32_t SourceOf(uint32_t slot) const { return sources_[slot]; }  // not of kOverflow

 private:
  // By source; empty: there is room for all.
  static std::vector<bool> BelievedOf(const RowDays& rows) {
    if (rows.names.sources() <= kMaxClaimedSources) return {};
    std::vector<bool> believed(rows.names.sources());
    ForEach(rows, [&believed](const DaySource& source, const DayRows&, const Begin&) {
      if (source.believed) believed[source.source] = true;
    });
    return believed;
  }

  const RowNames& names_;
  std::vector<uint32_t> slots_;    // by source
  std::vector<uint32_t> sources_;  // by slot
  bool overflow_ = false;
};

// The first `limit` of `items`, in order: by `rank`, a pair or number, the largest first, then by
// id. Ids are made of those alone that may be among the first and share their rank with others.
template <typename Rank, typename Id>
std::vector<uint32_t> FirstOf(std::vector<uint32_t> items, size_t limit, Rank rank, Id id) {
  const auto larger = [&rank](uint32_t a, uint32_t b) { return rank(a) > rank(b); };
  if (items.size() > limit && limit > 0) {
    std::nth_element(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(limit) - 1,
                     items.end(), larger);
    const auto last = rank(items[limit - 1]);
    std::erase_if(items, [&](uint32_t item) { return rank(item) < last; });
  }
  std::vector<std::pair<uint32_t, std::string>> named;
  named.reserve(items.size());
  std::sort(items.begin(), items.end(), larger);
  for (size_t i = 0; i < items.size(); ++i) {
    const bool shared = (i > 0 && rank(items[i - 1]) == rank(items[i])) ||
                        (i + 1 < items.size() && rank(items[i + 1]) == rank(items[i]));
    named.emplace_back(items[i], shared ? std::string(id(items[i])) : std::string());
  }
  std::sort(named.begin(), named.end(), [&rank](const auto& a, const auto& b) {
    const auto rank_a = rank(a.first), rank_b = rank(b.first);
    return rank_a != rank_b ? rank_a > rank_b : a.second < b.second;
  });
  named.resize(std::min(named.size(), limit));
  items.clear();
  for (const auto& [item, text] : named) items.push_back(item);
  return items;
}

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_ROW_SLOTS_H_
