// policyd/analysis/row_fill.h
// What a page of sources (row_page.cc) tells of one of them, while its days come. Pure.

#ifndef DMARCATE_POLICYD_ANALYSIS_ROW_FILL_H_
#define DMARCATE_POLICYD_ANALYSIS_ROW_FILL_H_

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "lib/base/time.h"
#include "policyd/analysis/row_slots.h"
#include "policyd/analysis/row_sums.h"
#include "policyd/analysis/statistics.h"

namespace dmarcate {

// Messages by keys of 32 bits, in the order in which those came first.
class KeySums {
 public:
  struct Entry {
    uint32_t key = 0;
    DayNumber first_day = 0, last_day = 0;
    int64_t messages = 0;
  };

  // Days ascend. The keys of a day mostly come in the order of the day before.
  void Add(uint32_t key, int64_t messages, DayNumber day) {
    if (next_ < entries_.size() && entries_[next_].key == key) {
      AddTo(next_, messages, day);
      return;
    }
    for (size_t at = PlaceOf(key);; at = (at + 1) & (places_.size() - 1)) {
      if (places_[at] == 0) {
        Insert(at, {key, day, day, messages});
        return;
      }
      if (entries_[places_[at] - 1].key != key) continue;
      AddTo(places_[at] - 1, messages, day);
      return;
    }
  }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  static constexpr size_t kFirstPlaces = 64;  // a power of two

  size_t PlaceOf(uint32_t key) const { return (key * 0x9e3779b1u >> 12) & (places_.size() - 1); }
  void AddTo(uint32_t place, int64_t messages, DayNumber day) {
    Entry& entry = entries_[place];
    entry.messages = SaturatingAdd(entry.messages, messages);
    entry.last_day = day;
    next_ = place + 1;
  }
  void Insert(size_t at, const Entry& entry);
  // As many as there are before the places grow.
  static std::vector<Entry> Reserved() {
    std::vector<Entry> entries;
    entries.reserve(kFirstPlaces / 2);
    return entries;
  }

  std::vector<Entry> entries_ = Reserved();
  std::vector<uint32_t> places_ = std::vector<uint32_t>(kFirstPlaces);  // of entries, plus 1
  uint32_t next_ = 0;  // where the next key is looked for first
};

class SourceFill {
 public:
  // `slot`: its place among the sources of the range.
  SourceFill(const RowDays& rows, const RowSlots& slots, uint32_t slot);

  // What `day` has of it, in the order of days.
  void Add(const DaySource& source, const DayRows& day, const RowSlots::Begin& begin);
  // Everything but selectors and kind; then nothing is added any more.
  SourceStatistics& Finish();

 private:
  void FinishSums();
  void FinishAnchors();

  const RowDays* rows_;
  SourceStatistics stats_;
  uint32_t value_ = 0;  // the DaySource::value that stats_.value was made of
  bool rest_;           // it stands for many
  bool empty_ = true;
  KeySums sums_, anchors_;  // by all of a RowSum and AnchorSum but messages
  uint64_t reporters_ = 0;  // as in DaySource
  std::set<uint32_t> high_reporters_;
  std::vector<uint64_t> addresses_;  // a bit each; as many are set as stats_.address_count says
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_ROW_FILL_H_
