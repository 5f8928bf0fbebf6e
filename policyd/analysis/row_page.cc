// ListSources(): which sources are on the page is known from few figures of all of them; the rest
// is made of those alone, but for the selectors that kinds hang on.

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "policyd/analysis/row_fill.h"
#include "policyd/analysis/row_slots.h"
#include "policyd/analysis/row_sums.h"
#include "policyd/analysis/source_kind.h"

namespace dmarcate {
namespace {

// The selectors of a source as they came, as statistics.cc keeps them.
struct SelectorList {
  std::vector<uint32_t> texts;
  bool all = true;
  uint32_t last = RowSlots::kNone;  // the list that was added last

  void Add(const RowNames& names, const DaySelectors& day) {
    if (!day.any) return;
    all = all && !day.more;
    if (day.list == last) return;
    last = day.list;
    const std::string_view bytes = names.text(day.list);
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
  std::vector<std::string> Sorted(const RowNames& names) const {
    std::vector<std::string> out;
    for (const uint32_t text : texts) out.emplace_back(names.text(text));
    std::ranges::sort(out);
    return out;
  }
};

// What the kinds of others hang on, of one source.
struct SourceTraits {
  bool service = false, own_dkim = false, believed = false, believed_own_dkim = false;
};

class PageMaker {
 public:
  PageMaker(const RowDays& rows, const SourceQuery& query);
  std::optional<SourcePage> Make();

 private:
  struct Lists {
    SelectorList claimed, believed;
  };

  void Choose();
  bool AtHome(uint32_t slot) const;
  void Sum();
  bool Fill();

  const RowDays& rows_;
  const SourceQuery& query_;
  std::vector<int64_t> messages_;     // by slot
  std::vector<SourceTraits> traits_;  // by slot
  uint64_t addresses_ = 0;            // at most so many pairs of source and address
  const RowSlots slots_;
  const bool anybody_;            // has said what can be believed
  std::vector<uint32_t> chosen_;  // slots
  std::vector<uint32_t> place_;   // by slot, among chosen_
  std::vector<uint32_t> index_;   // by slot, among lists_
  std::vector<Lists> lists_;
  std::vector<SourceStatistics> sources_;  // those
  SourcePage page_;
};

PageMaker::PageMaker(const RowDays& rows, const SourceQuery& query)
    : rows_(rows),
      query_(query),
      messages_(RowSlots::MostOf(rows)),
      traits_(messages_.size()),
      slots_(rows,
             [this](uint32_t slot, const DaySource& source, const DayRows&,
                    const RowSlots::Begin& begin) {
               messages_[slot] = SaturatingAdd(messages_[slot], source.messages);
               SourceTraits& traits = traits_[slot];
               traits.service |= source.service && slot != RowSlots::kOverflow;
               traits.own_dkim |= source.own_dkim;
               traits.believed |= source.believed;
               traits.believed_own_dkim |= source.believed_own_dkim;
               addresses_ += std::max<uint32_t>(source.addresses_end - begin.address, 1);
             }),
      anybody_(std::ranges::any_of(traits_, &SourceTraits::believed)) {}

void PageMaker::Choose() {
  std::vector<uint32_t> candidates;
  for (const uint32_t slot : slots_.All()) {
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

// The kinds hang on the selectors of all sources that are at home here: HomeSelectors() of
// source_kind.h.
bool PageMaker::AtHome(uint32_t slot) const {
  const SourceTraits& traits = traits_[slot];
  if (anybody_) return traits.believed && (traits.service || traits.believed_own_dkim);
  return traits.service || traits.own_dkim;
}

// The chosen sources, and all selectors that are wanted, in one pass.
void PageMaker::Sum() {
  place_.assign(slots_.size(), RowSlots::kNone);
  std::vector<SourceFill> fills;
  fills.reserve(chosen_.size());
  for (uint32_t i = 0; i < chosen_.size(); ++i) {
    place_[chosen_[i]] = i;
    fills.emplace_back(rows_, slots_, chosen_[i]);
  }
  index_.assign(slots_.size(), RowSlots::kNone);
  RowSlots::ForEach(rows_,
                    [&](const DaySource& source, const DayRows& day, const RowSlots::Begin& begin) {
                      const uint32_t slot = slots_.Of(source.source);
                      const uint32_t at = place_[slot];
                      if (at != RowSlots::kNone) fills[at].Add(source, day, begin);
                      if (!source.selectors.any || (at == RowSlots::kNone && !AtHome(slot))) return;
                      if (index_[slot] == RowSlots::kNone) {
                        index_[slot] = static_cast<uint32_t>(lists_.size());
                        lists_.emplace_back();
                      }
                      lists_[index_[slot]].claimed.Add(rows_.names, source.selectors);
                      lists_[index_[slot]].believed.Add(rows_.names, source.believed_selectors);
                    });
  sources_.reserve(fills.size());
  for (SourceFill& fill : fills) sources_.push_back(std::move(fill.Finish()));
}

// False: which selectors are kept of the source that stands for the rest depends on the order of
// rows of many, which is not known here.
bool PageMaker::Fill() {
  Sum();
  const Lists none;
  const auto of = [&](uint32_t slot) -> const Lists& {
    return index_[slot] == RowSlots::kNone ? none : lists_[index_[slot]];
  };
  if (slots_.overflow()) {
    const Lists& rest = of(RowSlots::kOverflow);
    if (!rest.claimed.all || !rest.believed.all) return false;
  }
  std::set<std::string> home;
  for (uint32_t slot = 0; slot < slots_.size(); ++slot) {
    if (!AtHome(slot)) continue;
    for (const uint32_t text : (anybody_ ? of(slot).believed : of(slot).claimed).texts) {
      home.emplace(rows_.names.text(text));
    }
  }
  for (size_t i = 0; i < chosen_.size(); ++i) {
    SourceStatistics& stats = sources_[i];
    const Lists& own = of(chosen_[i]);
    stats.own_selectors = own.claimed.Sorted(rows_.names);
    stats.own_selectors_known = own.claimed.all;
    stats.believed.own_selectors = own.believed.Sorted(rows_.names);
    stats.believed.own_selectors_known = own.believed.all;
    stats.kind = KindOf(stats, home);
  }
  return true;
}

std::optional<SourcePage> PageMaker::Make() {
  if (addresses_ > kMaxAddresses) return std::nullopt;
  Choose();
  if (!Fill()) return std::nullopt;
  DomainStatistics& out = page_.statistics;
  out.domain = rows_.domain;
  out.range = rows_.range;
  for (const DayRows* day : rows_.days) out.total.Add(day->counts);
  out.reporters.reserve(rows_.names.reporters());
  for (uint32_t reporter = 0; reporter < rows_.names.reporters(); ++reporter) {
    out.reporters.emplace_back(rows_.names.reporter(reporter));
  }
  out.sources = std::move(sources_);
  for (const std::string& id : query_.ask) {
    if (id == kOverflowSourceId && slots_.overflow()) continue;
    const auto source = rows_.names.FindSource(id);
    const uint32_t slot = source ? slots_.Of(*source) : RowSlots::kNone;
    if (slot == RowSlots::kNone || slot == RowSlots::kOverflow) page_.silent.push_back(id);
  }
  return std::move(page_);
}

}  // namespace

std::optional<SourcePage> ListSources(const RowDays& rows, const SourceQuery& query) {
  return PageMaker(rows, query).Make();
}

}  // namespace dmarcate
