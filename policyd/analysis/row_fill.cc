#include "policyd/analysis/row_fill.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "policyd/analysis/row_facts.h"

namespace dmarcate {
namespace {

// All of a RowSum or AnchorSum but the messages, and back.
template <typename Sum>
uint32_t KeyOf(Sum sum) {
  sum.large = 0;
  uint32_t key = 0;
  static_assert(sizeof(Sum) == sizeof(sum.messages) + sizeof(key));
  std::memcpy(&key, reinterpret_cast<const char*>(&sum) + sizeof(sum.messages), sizeof(key));
  return key;
}
template <typename Sum>
Sum OfKey(uint32_t key) {
  Sum sum;
  std::memcpy(reinterpret_cast<char*>(&sum) + sizeof(sum.messages), &key, sizeof(key));
  return sum;
}

}  // namespace

void KeySums::Insert(size_t at, const Entry& entry) {
  entries_.push_back(entry);
  places_[at] = static_cast<uint32_t>(entries_.size());
  if (2 * entries_.size() < places_.size()) return;
  places_.assign(2 * places_.size(), 0);
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    size_t free = PlaceOf(entries_[i].key);
    while (places_[free] != 0) free = (free + 1) & (places_.size() - 1);
    places_[free] = i + 1;
  }
}

SourceFill::SourceFill(const RowDays& rows, const RowSlots& slots, uint32_t slot)
    : rows_(&rows),
      rest_(slot == RowSlots::kOverflow),
      addresses_(rows.names.addresses() / 64 + 1) {
  stats_.id = slots.IdOf(slot);
  if (rest_) stats_.rule = Rule::kOverflow;
}

void SourceFill::Add(const DaySource& source, const DayRows& day, const RowSlots::Begin& begin) {
  const RowNames& names = rows_->names;
  if (!rest_) {
    const auto rule = static_cast<Rule>(source.rule);
    if (empty_ || rule < stats_.rule || (rule == stats_.rule && source.value != value_)) {
      std::string value = source.value == DaySource::kOwnAddress
                              ? names.address(names.AddressOfSource(source.source)).ToString()
                              : std::string(names.text(source.value));
      if (empty_ || rule < stats_.rule || value < stats_.value) {
        stats_.rule = rule;
        stats_.value = std::move(value);
        value_ = source.value;
        stats_.service = source.service ? rows_->catalogue.FindById(stats_.id) : nullptr;
      }
    }
    for (uint32_t i = begin.anchor; i < source.anchors_end; ++i) {
      anchors_.Add(KeyOf(day.anchors[i]), day.MessagesOf(day.anchors[i]), day.day);
    }
  }
  if (empty_) stats_.first_day = day.day;
  stats_.last_day = day.day;
  empty_ = false;
  for (uint32_t i = begin.sum; i < source.sums_end; ++i) {
    sums_.Add(KeyOf(day.sums[i]), day.MessagesOf(day.sums[i]), day.day);
  }
  reporters_ |= source.reporters;
  if ((source.reporters >> DaySource::kHighReporter & 1) != 0) {
    for (uint32_t i = begin.cell; i < source.cells_end; ++i) {
      const uint32_t reporter = day.cells[i].reporter;
      if (reporter >= DaySource::kHighReporter) high_reporters_.insert(reporter);
    }
  }
  const auto see = [this](uint32_t number) {
    const uint64_t bit = uint64_t{1} << (number % 64);
    uint64_t& word = addresses_[number / 64];
    stats_.address_count += (word & bit) == 0 ? 1 : 0;
    word |= bit;
  };
  if (begin.address == source.addresses_end) see(names.AddressOfSource(source.source));
  for (uint32_t i = begin.address; i < source.addresses_end; ++i) see(day.addresses[i]);
}

void SourceFill::FinishSums() {
  for (const KeySums::Entry& entry : sums_.entries()) {
    const auto row = OfKey<RowSum>(entry.key);
    const auto add = [&entry](int64_t& to) { to = SaturatingAdd(to, entry.messages); };
    stats_.by_trust[row.trust % kTrustClasses].Add(CountsOf(FactClassOf(row), entry.messages));
    add(stats_.by_rule[row.rule]);
    if (row.forwarded_by_override) add(stats_.forwarded_by_override);
    if (row.forwarded_by_broken_spf) add(stats_.forwarded_by_broken_spf);
    if (row.own_envelope_denied) add(stats_.own_envelope_denied);
    if (row.own_signature) add(stats_.own_signature);
    if (IsBelieved(static_cast<TrustClass>(row.trust))) {
      KindGrounds& grounds = stats_.believed;
      add(grounds.messages);
      if (row.facts >> 2 != 0) add(grounds.dmarc_pass);  // DKIM or SPF is aligned
      if (row.forwarded_by_override) add(grounds.forwarded_by_override);
      if (row.own_envelope_denied) add(grounds.own_envelope_denied);
      if (row.own_signature) add(grounds.own_signature);
      if (static_cast<Rule>(row.rule) == Rule::kOwnDkim) add(grounds.own_dkim);
    }
    for (size_t type = 0; row.overrides >> type != 0; ++type) {
      if ((row.overrides >> type & 1) != 0) add(stats_.overrides[type]);
    }
  }
  for (const Counts& counts : stats_.by_trust) stats_.counts.Add(counts);
}

// The first ones that came, as many as are kept.
void SourceFill::FinishAnchors() {
  std::vector<AnchorCounts>& all = stats_.anchors;
  all.reserve(kMaxAnchorsKept);
  for (const KeySums::Entry& entry : anchors_.entries()) {
    const auto row = OfKey<AnchorSum>(entry.key);
    auto anchor = std::ranges::find(all, uint32_t{row.reporter}, &AnchorCounts::reporter);
    if (anchor == all.end()) {
      if (all.size() == kMaxAnchorsKept) continue;
      anchor = all.insert(all.end(), {.reporter = row.reporter,
                                      .counts = {},
                                      .first_day = entry.first_day,
                                      .last_day = entry.last_day});
    }
    anchor->counts.Add(CountsOf(FactClassOf(row), entry.messages));
    if (row.proves) anchor->proved = SaturatingAdd(anchor->proved, entry.messages);
    anchor->last_day = std::max(anchor->last_day, entry.last_day);
  }
  std::ranges::sort(all, {}, &AnchorCounts::reporter);
}

SourceStatistics& SourceFill::Finish() {
  FinishSums();
  FinishAnchors();
  stats_.reporters.reserve(static_cast<size_t>(std::popcount(reporters_)) + high_reporters_.size());
  for (uint32_t reporter = 0; reporter < DaySource::kHighReporter; ++reporter) {
    if ((reporters_ >> reporter & 1) != 0) stats_.reporters.push_back(reporter);
  }
  stats_.reporters.insert(stats_.reporters.end(), high_reporters_.begin(), high_reporters_.end());
  return stats_;
}

}  // namespace dmarcate
