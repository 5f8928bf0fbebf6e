#include "bench/query_scan.h"

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

#include "bench/query_data.h"
#include "policyd/analysis/statistics.h"

namespace dmarcate::bench {
namespace {

// Open addressing, at most half full; the number of a source plus one, 0 is free.
struct Slot {
  uint32_t key = 0;
  TopAndSeries::Sum sum;
};

void AddTo(TopAndSeries::Sum& sum, int64_t count, bool dkim, bool spf) {
  sum.messages += count;
  sum.dkim += dkim ? count : 0;
  sum.spf += spf ? count : 0;
  sum.pass += dkim || spf ? count : 0;
}

}  // namespace

void ScanArray::Add(DayNumber day, std::string_view source_id, const AggregateRecord& record) {
  const auto [it, inserted] =
      numbers_.try_emplace(std::string(source_id), static_cast<uint32_t>(ids_.size()));
  if (inserted) ids_.emplace_back(source_id);
  Row row;
  row.source = it->second;
  row.count = static_cast<uint32_t>(record.count);
  row.day = static_cast<uint16_t>(day - kFirstQueryDay);
  if (record.source_ip) {
    const auto& bytes = record.source_ip->bytes();
    row.address =
        static_cast<uint32_t>(bytes[12] << 24 | bytes[13] << 16 | bytes[14] << 8 | bytes[15]) ^
        static_cast<uint32_t>(bytes[0] << 8 | bytes[5]);
  }
  row.dkim = record.dkim_aligned == AlignedResult::kPass;
  row.spf = record.spf_aligned == AlignedResult::kPass;
  rows_.push_back(row);
}

std::pair<size_t, size_t> ScanArray::Find(const DayRange& range) const {
  const auto first = std::ranges::lower_bound(
      rows_, static_cast<uint16_t>(range.first - kFirstQueryDay), {}, &Row::day);
  const auto last = std::ranges::upper_bound(
      rows_, static_cast<uint16_t>(range.last - kFirstQueryDay), {}, &Row::day);
  return {static_cast<size_t>(first - rows_.begin()), static_cast<size_t>(last - rows_.begin())};
}

TopAndSeries ScanArray::Scan(const DayRange& range) const {
  const auto [begin, end] = Find(range);
  TopAndSeries out;
  out.days.resize(static_cast<size_t>(range.days()));
  // As large as it will have to be: sources beyond kMaxSources share one place, as in statistics.h.
  const size_t most = std::min({end - begin, ids_.size(), kMaxSources});
  const size_t mask = std::bit_ceil(2 * most + 2) - 1;
  std::vector<Slot> table(mask + 1);
  size_t used = 0;
  TopAndSeries::Sum others;
  const auto first_day = static_cast<size_t>(range.first - kFirstQueryDay);
  for (size_t i = begin; i < end; ++i) {
    const Row& row = rows_[i];
    AddTo(out.days[row.day - first_day], row.count, row.dkim != 0, row.spf != 0);
    const uint32_t key = row.source + 1;
    size_t at = key * 0x9e3779b1u & mask;
    while (table[at].key != key && table[at].key != 0) at = (at + 1) & mask;
    Slot& slot = table[at];
    if (slot.key == 0) {
      if (used == kMaxSources) {
        AddTo(others, row.count, row.dkim != 0, row.spf != 0);
        continue;
      }
      ++used;
      slot.key = key;
    }
    AddTo(slot.sum, row.count, row.dkim != 0, row.spf != 0);
  }

  std::vector<const Slot*> all;
  all.reserve(used + 1);
  for (const Slot& slot : table) {
    if (slot.key != 0) all.push_back(&slot);
  }
  const Slot rest{0, others};
  if (others.messages > 0) all.push_back(&rest);
  const auto id = [&](const Slot* slot) -> std::string_view {
    return slot->key == 0 ? kOverflowSourceId : std::string_view(ids_[slot->key - 1]);
  };
  const size_t shown = std::min(kTopSources, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(shown), all.end(),
                    [&](const Slot* a, const Slot* b) {
                      if (a->sum.messages != b->sum.messages) {
                        return a->sum.messages > b->sum.messages;
                      }
                      return id(a) < id(b);
                    });
  for (size_t i = 0; i < shown; ++i) out.top.emplace_back(id(all[i]), all[i]->sum);
  return out;
}

size_t ScanArray::RowsIn(const DayRange& range) const {
  const auto [begin, end] = Find(range);
  return end - begin;
}

size_t ScanArray::SourcesIn(const DayRange& range) const {
  std::set<uint32_t> sources;
  const auto [begin, end] = Find(range);
  for (size_t i = begin; i < end; ++i) sources.insert(rows_[i].source);
  return sources.size();
}

size_t ScanArray::AddressesIn(const DayRange& range) const {
  std::set<uint32_t> addresses;
  const auto [begin, end] = Find(range);
  for (size_t i = begin; i < end; ++i) addresses.insert(rows_[i].address);
  return addresses.size();
}

}  // namespace dmarcate::bench
