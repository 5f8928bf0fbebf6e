#include "policyd/analysis/row_sums.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"

#include "policyd/analysis/row_slots.h"

namespace dmarcate {
namespace {

// All that Counts are made of: four facts, and four things that may become of a row.
constexpr size_t kFactClasses = 64;

size_t FactClassOf(const RowSum& sum) { return static_cast<size_t>(sum.became << 4 | sum.facts); }
size_t FactClassOf(const RowShape& shape) {
  return static_cast<size_t>(BecameOf(static_cast<Disposition>(shape.disposition)) << 4 |
                             shape.dkim_aligned << 3 | shape.spf_aligned << 2 |
                             shape.dkim_pass << 1 | shape.spf_pass);
}

Counts CountsOf(size_t fact_class, int64_t messages) {
  constexpr std::array kBecomes = {Disposition::kNone, Disposition::kQuarantine,
                                   Disposition::kReject, Disposition::kUnspecified};
  return RowFacts((fact_class >> 3 & 1) != 0, (fact_class >> 2 & 1) != 0,
                  (fact_class >> 1 & 1) != 0, (fact_class & 1) != 0, kBecomes[fact_class >> 4])
      .Of(messages);
}

// One source of a page while its cells come.
struct SourceFill {
  SourceStatistics stats;
  bool empty = true;
  std::array<int64_t, kTrustClasses * kFactClasses> sums{};
  uint64_t reporters = 0;  // as in SourceDay
  std::set<uint32_t> high_reporters;
  std::vector<uint64_t> addresses;  // a bit each
};

// The selectors of a source as they came, as statistics.cc keeps them.
struct SelectorList {
  std::vector<uint32_t> texts;
  bool all = true;
  uint32_t last = RowSlots::kNone;  // the list that was added last

  void Add(const RowNames& names, const SourceDay& day) {
    if (!day.own_signature) return;
    all = all && !day.more_selectors;
    if (day.selectors == last) return;
    last = day.selectors;
    const std::string_view bytes = names.text(day.selectors);
    for (size_t at = 0; at < bytes.size(); at += sizeof(uint32_t)) {
      uint32_t text = 0;
      std::memcpy(&text, bytes.data() + at, sizeof(text));
      if (std::ranges::find(texts, text) != texts.end()) continue;
      if (texts.size() < kMaxSelectorsKept) {
        texts.push_back(text);
      } else {
        all = false;
      }
    }
  }
};

class PageMaker {
 public:
  PageMaker(const RowDays& rows, const SourceQuery& query);
  std::optional<SourcePage> Make();

 private:
  void Choose();
  void Fill();
  void FillFrom(SourceFill& fill, const SourceDay& source, const DayRows& day,
                const RowSlots::Begin& begin);
  void FillSelectors();
  void Finish(SourceFill& fill) const;

  const RowDays& rows_;
  const SourceQuery& query_;
  std::vector<int64_t> messages_;  // by slot
  std::vector<bool> home_;         // by slot: a catalogued service, or it signs as us
  uint64_t addresses_ = 0;         // at most so many pairs of source and address
  const RowSlots slots_;
  std::vector<uint32_t> chosen_;  // slots
  std::vector<uint32_t> place_;   // by slot, among chosen_
  std::vector<SourceFill> fills_;
  SourcePage page_;
};

PageMaker::PageMaker(const RowDays& rows, const SourceQuery& query)
    : rows_(rows),
      query_(query),
      messages_(std::min(rows.names.sources(), kMaxSources) + 1),
      home_(messages_.size()),
      slots_(rows, [this](uint32_t slot, const SourceDay& source, const DayRows&,
                          const RowSlots::Begin& begin) {
        messages_[slot] = SaturatingAdd(messages_[slot], source.messages);
        if (source.own_dkim || (source.service && slot != RowSlots::kOverflow)) home_[slot] = true;
        addresses_ += std::max<uint32_t>(source.addresses_end - begin.address, 1);
      }) {}

void PageMaker::Choose() {
  std::vector<uint32_t> candidates;
  candidates.reserve(slots_.size());
  for (uint32_t slot = 0; slot < slots_.size(); ++slot) {
    if (query_.after) {
      if (messages_[slot] > query_.after->messages) continue;
      if (messages_[slot] == query_.after->messages && slots_.IdOf(slot) <= query_.after->id) {
        continue;
      }
    }
    if (query_.wanted && !query_.wanted(slots_.IdOf(slot))) continue;
    candidates.push_back(slot);
  }
  page_.more = candidates.size() > query_.limit;
  chosen_ = FirstOf(
      std::move(candidates), query_.limit, [this](uint32_t slot) { return messages_[slot]; },
      [this](uint32_t slot) { return slots_.IdOf(slot); });
}

void PageMaker::FillFrom(SourceFill& fill, const SourceDay& source, const DayRows& day,
                         const RowSlots::Begin& begin) {
  const RowNames& names = rows_.names;
  SourceStatistics& stats = fill.stats;
  if (stats.rule != Rule::kOverflow) {
    const auto rule = static_cast<Rule>(source.rule);
    if (fill.empty || rule <= stats.rule) {
      std::string value = source.value == SourceDay::kOwnAddress
                              ? names.address(names.AddressOfSource(source.source)).ToString()
                              : std::string(names.text(source.value));
      if (fill.empty || rule < stats.rule || value < stats.value) {
        stats.rule = rule;
        stats.value = std::move(value);
        stats.service = source.service ? rows_.catalogue.FindById(stats.id) : nullptr;
      }
    }
  }
  stats.first_day = fill.empty ? day.day : stats.first_day;
  stats.last_day = day.day;
  fill.empty = false;
  for (uint32_t i = begin.sum; i < source.sums_end; ++i) {
    const RowSum& row = day.sums[i];
    const int64_t messages = day.MessagesOf(row);
    const auto add = [messages](int64_t& to) { to = SaturatingAdd(to, messages); };
    add(fill.sums[row.trust % kTrustClasses * kFactClasses + FactClassOf(row)]);
    add(stats.by_rule[row.rule]);
    if (row.forwarded_by_override) add(stats.forwarded_by_override);
    if (row.forwarded_by_broken_spf) add(stats.forwarded_by_broken_spf);
    if (row.own_envelope_denied) add(stats.own_envelope_denied);
    if (row.own_signature) add(stats.own_signature);
    for (size_t type = 0; row.overrides >> type != 0; ++type) {
      if ((row.overrides >> type & 1) != 0) add(stats.overrides[type]);
    }
  }
  fill.reporters |= source.reporters;
  if ((source.reporters >> SourceDay::kHighReporter & 1) != 0) {
    for (uint32_t i = begin.cell; i < source.cells_end; ++i) {
      const uint32_t reporter = day.cells[i].reporter;
      if (reporter >= SourceDay::kHighReporter) fill.high_reporters.insert(reporter);
    }
  }
  const auto see = [&fill](uint32_t number) {
    fill.addresses[number / 64] |= uint64_t{1} << (number % 64);
  };
  if (begin.address == source.addresses_end) see(names.AddressOfSource(source.source));
  for (uint32_t i = begin.address; i < source.addresses_end; ++i) see(day.addresses[i]);
}

void PageMaker::Finish(SourceFill& fill) const {
  SourceStatistics& stats = fill.stats;
  for (size_t trust = 0; trust < kTrustClasses; ++trust) {
    for (size_t fact_class = 0; fact_class < kFactClasses; ++fact_class) {
      const int64_t messages = fill.sums[trust * kFactClasses + fact_class];
      if (messages == 0) continue;
      stats.by_trust[trust].Add(CountsOf(fact_class, messages));
    }
    stats.counts.Add(stats.by_trust[trust]);
  }
  for (uint32_t reporter = 0; reporter < SourceDay::kHighReporter; ++reporter) {
    if ((fill.reporters >> reporter & 1) != 0) stats.reporters.push_back(reporter);
  }
  stats.reporters.insert(stats.reporters.end(), fill.high_reporters.begin(),
                         fill.high_reporters.end());
  for (const uint64_t word : fill.addresses) {
    stats.address_count += static_cast<size_t>(__builtin_popcountll(word));
  }
}

// And with them the kinds, which hang on those of all sources that are at home here.
void PageMaker::FillSelectors() {
  std::vector<SelectorList> selectors(slots_.size());
  RowSlots::ForEach(rows_, [&](const SourceDay& source, const DayRows&, const RowSlots::Begin&) {
    const uint32_t slot = slots_.Of(source.source);
    if (home_[slot] || place_[slot] != RowSlots::kNone) selectors[slot].Add(rows_.names, source);
  });
  std::set<std::string> home;
  for (uint32_t slot = 0; slot < slots_.size(); ++slot) {
    if (!home_[slot]) continue;
    for (const uint32_t text : selectors[slot].texts) home.emplace(rows_.names.text(text));
  }
  for (size_t i = 0; i < chosen_.size(); ++i) {
    SourceStatistics& stats = fills_[i].stats;
    const SelectorList& own = selectors[chosen_[i]];
    for (const uint32_t text : own.texts) stats.own_selectors.emplace_back(rows_.names.text(text));
    std::ranges::sort(stats.own_selectors);
    stats.own_selectors_known = own.all;
    stats.kind = KindOf(stats, home);
  }
}

void PageMaker::Fill() {
  place_.assign(slots_.size(), RowSlots::kNone);
  fills_.resize(chosen_.size());
  for (uint32_t i = 0; i < chosen_.size(); ++i) {
    place_[chosen_[i]] = i;
    SourceFill& fill = fills_[i];
    fill.stats.id = slots_.IdOf(chosen_[i]);
    if (chosen_[i] == RowSlots::kOverflow) fill.stats.rule = Rule::kOverflow;
    fill.addresses.resize(rows_.names.addresses() / 64 + 1);
  }
  RowSlots::ForEach(rows_,
                    [&](const SourceDay& source, const DayRows& day, const RowSlots::Begin& begin) {
                      const uint32_t at = place_[slots_.Of(source.source)];
                      if (at != RowSlots::kNone) FillFrom(fills_[at], source, day, begin);
                    });
  for (SourceFill& fill : fills_) Finish(fill);
  FillSelectors();
}

std::optional<SourcePage> PageMaker::Make() {
  if (addresses_ > kMaxAddresses) return std::nullopt;
  Choose();
  Fill();
  DomainStatistics& out = page_.statistics;
  out.domain = rows_.domain;
  out.range = rows_.range;
  for (const DayRows* day : rows_.days) out.total.Add(day->counts);
  for (uint32_t reporter = 0; reporter < rows_.names.reporters(); ++reporter) {
    out.reporters.emplace_back(rows_.names.reporter(reporter));
  }
  for (SourceFill& fill : fills_) out.sources.push_back(std::move(fill.stats));
  for (const std::string& id : query_.ask) {
    if (id == kOverflowSourceId && slots_.overflow()) continue;
    const auto source = rows_.names.FindSource(id);
    const uint32_t slot = source ? slots_.Of(*source) : RowSlots::kNone;
    if (slot == RowSlots::kNone || slot == RowSlots::kOverflow) page_.silent.push_back(id);
  }
  return std::move(page_);
}

void SortEntries(std::vector<BreakdownEntry>& entries) {
  std::ranges::sort(entries, [](const BreakdownEntry& a, const BreakdownEntry& b) {
    if (a.counts.messages != b.counts.messages) return a.counts.messages > b.counts.messages;
    return a.key < b.key;
  });
}

}  // namespace

std::optional<SourcePage> ListSources(const RowDays& rows, const SourceQuery& query) {
  return PageMaker(rows, query).Make();
}

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
    for (const SourceDay& one : day->sources) {
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
  const RowSlots slots(rows, [&](uint32_t slot, const SourceDay& source, const DayRows& day,
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
