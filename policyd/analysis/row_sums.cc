#include "policyd/analysis/row_sums.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_map.h"

#include "policyd/analysis/row_facts.h"
#include "policyd/analysis/row_slots.h"

namespace dmarcate {
namespace {

void SortEntries(std::vector<BreakdownEntry>& entries) {
  std::ranges::sort(entries, [](const BreakdownEntry& a, const BreakdownEntry& b) {
    if (a.counts.messages != b.counts.messages) return a.counts.messages > b.counts.messages;
    return a.key < b.key;
  });
}

}  // namespace

std::optional<SourceSeries> SumSeries(const RowDays& rows, std::string_view source) {
  const bool of_domain = source.empty();
  std::optional<uint32_t> wanted;
  SourceSeries out;
  out.days.resize(static_cast<size_t>(rows.range.days()));
  for (size_t i = 0; i < out.days.size(); ++i) {
    out.days[i].day = rows.range.first + static_cast<DayNumber>(i);
  }
  if (!of_domain) {
    const RowSlots slots(rows, [](auto&&...) {});
    if (source == kOverflowSourceId && slots.overflow()) return std::nullopt;
    wanted = rows.names.FindSource(source);
    const uint32_t slot = wanted ? slots.Of(*wanted) : RowSlots::kNone;
    out.known = slot != RowSlots::kNone && slot != RowSlots::kOverflow;
  }
  const auto at = [&](DayNumber day) -> DayStats& {
    return out.days[static_cast<size_t>(day - rows.range.first)];
  };
  for (const DayRows* day : rows.days) {
    DayStats& stats = at(day->day);
    if (day->expired) {
      stats.expired = ToCounts(*day->expired);
      stats.expired_reports = static_cast<int32_t>(
          std::clamp<int64_t>(day->expired->reports, 0, std::numeric_limits<int32_t>::max() / 2));
      out.expired.Add(stats.expired);
    }
    if (of_domain) stats.reports += day->reports;
    if (of_domain && day->spread.empty()) {
      stats.counts.Add(day->counts);
      continue;
    }
    if (!of_domain && !out.known) continue;
    uint32_t cell = 0;
    for (const DaySource& one : day->sources) {
      const uint32_t first = std::exchange(cell, one.cells_end);
      if (wanted && one.source != *wanted) continue;
      if (wanted) stats.reports += static_cast<int32_t>(one.reports);
      for (uint32_t i = first; i < one.cells_end; ++i) {
        const RowCell& row = day->cells[i];
        if (row.spread) continue;
        stats.counts.Add(rows.names.shape(row.shape).facts().Of(day->MessagesOf(row)));
      }
    }
    for (const SpreadReport& report : day->spread) {
      DaySpread spread(report.begin, report.end, day->day, rows.range);
      for (const SpreadReport::Row& row : report.rows) {
        if (wanted && row.source != *wanted) continue;
        const RowFacts facts = rows.names.shape(row.shape).facts();
        spread.Deal(row.messages, [&](DayNumber to, int64_t share) {
          at(to).counts.Add(facts.Of(share));
          if (spread.estimated()) at(to).estimated = true;
        });
      }
    }
  }
  return out;
}

std::optional<RowBreakdown> BreakDown(const RowDays& rows, RowDimension dimension) {
  RowBreakdown out;
  std::vector<std::array<int64_t, kFactClasses>> sums;
  std::vector<std::string> keys;
  absl::flat_hash_map<uint32_t, uint32_t> index;  // of texts
  const auto add = [&](size_t key, const RowShape& shape, int64_t messages) {
    if (sums.size() <= key) sums.resize(key + 1);
    int64_t& sum = sums[key][FactClassOf(shape)];
    sum = SaturatingAdd(sum, messages);
  };
  const RowSlots slots(rows, [&](uint32_t slot, const DaySource& source, const DayRows& day,
                                 const RowSlots::Begin& begin) {
    for (uint32_t cell = begin.cell; cell < source.cells_end; ++cell) {
      const RowCell& row = day.cells[cell];
      const RowShape& shape = rows.names.shape(row.shape);
      const int64_t messages = day.MessagesOf(row);
      switch (dimension) {
        case RowDimension::kSource:
          add(slot, shape, messages);
          break;
        case RowDimension::kReporter:
          add(row.reporter, shape, messages);
          break;
        case RowDimension::kHeaderFrom: {
          const auto [it, inserted] =
              index.try_emplace(shape.header_from, static_cast<uint32_t>(index.size()));
          if (inserted) keys.emplace_back(rows.names.text(shape.header_from));
          add(it->second, shape, messages);
          break;
        }
        case RowDimension::kDisposition:
          add(shape.disposition, shape, messages);
          break;
        case RowDimension::kTrust:
          add(row.trust, shape, messages);
          break;
      }
    }
  });
  if (keys.size() > kMaxKeys) return std::nullopt;
  for (uint32_t key = 0; key < sums.size(); ++key) {
    BreakdownEntry entry;
    for (size_t fact_class = 0; fact_class < kFactClasses; ++fact_class) {
      if (sums[key][fact_class] > 0) entry.counts.Add(CountsOf(fact_class, sums[key][fact_class]));
    }
    if (entry.counts.messages == 0) continue;
    switch (dimension) {
      case RowDimension::kSource:
        entry.key = slots.IdOf(key);
        break;
      case RowDimension::kReporter:
        entry.key = rows.names.reporter(key);
        break;
      case RowDimension::kHeaderFrom:
        entry.key = keys[key];
        break;
      case RowDimension::kDisposition:
        entry.key = DispositionKey(static_cast<Disposition>(key));
        break;
      case RowDimension::kTrust:
        entry.key = std::to_string(key);
        break;
    }
    out.entries.push_back(std::move(entry));
  }
  SortEntries(out.entries);
  for (const DayRows* day : rows.days) {
    out.total.Add(day->counts);
    if (day->expired) out.expired.Add(ToCounts(*day->expired));
  }
  return out;
}

}  // namespace dmarcate
