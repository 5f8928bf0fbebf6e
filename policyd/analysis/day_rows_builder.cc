#include "policyd/analysis/day_rows_builder.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

#include "policyd/analysis/row_shape.h"
#include "policyd/analysis/spread.h"
#include "policyd/analysis/statistics.h"

namespace dmarcate {
namespace {

bool OfSeveralDays(const ReportMetadata& metadata) {
  return metadata.end > metadata.begin && metadata.end - metadata.begin > kMaxUnspreadSeconds;
}

struct CellKey {
  uint32_t source = 0, shape = 0;
  uint16_t reporter = 0;
  uint8_t trust = 0, rule_and_spread = 0;

  friend bool operator==(const CellKey&, const CellKey&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const CellKey& key) {
    return H::combine(std::move(state), key.source, key.shape, key.reporter, key.trust,
                      key.rule_and_spread);
  }
};

RowSum SumOf(const RowCell& cell, const RowShape& shape) {
  RowSum sum;
  sum.facts = static_cast<uint8_t>(shape.dkim_aligned << 3 | shape.spf_aligned << 2 |
                                   shape.dkim_pass << 1 | shape.spf_pass) &
              15;
  sum.became = BecameOf(static_cast<Disposition>(shape.disposition)) & 3;
  sum.trust = cell.trust & 15;
  sum.rule = cell.rule;
  sum.forwarded_by_override = shape.forwarded_by_override;
  sum.forwarded_by_broken_spf = shape.forwarded_by_broken_spf;
  sum.own_signature = shape.own_signature;
  sum.own_envelope_denied = shape.own_envelope_denied;
  sum.overrides = shape.overrides;
  return sum;
}

AnchorSum AnchorOf(const RowCell& cell, const RowSum& of_row) {
  AnchorSum sum;
  sum.reporter = cell.reporter;
  sum.facts = of_row.facts;
  sum.became = of_row.became;
  sum.proves = ProvesIdentity(static_cast<Rule>(cell.rule));
  return sum;
}

// Sums by all of a RowSum or AnchorSum but the messages, in the order in which they come.
template <typename Sum>
class SumsOf {
 public:
  void Add(const Sum& sum, int64_t messages) {
    uint32_t key = 0;
    static_assert(sizeof(Sum) == sizeof(sum.messages) + sizeof(key));
    std::memcpy(&key, reinterpret_cast<const char*>(&sum) + sizeof(sum.messages), sizeof(key));
    const auto [it, inserted] = index_.try_emplace(key, sums_.size());
    if (inserted) sums_.emplace_back(sum, 0);
    sums_[it->second].second = SaturatingAdd(sums_[it->second].second, messages);
  }
  const std::vector<std::pair<Sum, int64_t>>& all() const { return sums_; }

 private:
  std::vector<std::pair<Sum, int64_t>> sums_;
  absl::flat_hash_map<uint32_t, size_t> index_;
};

// The selectors of `list` to those of `all`, as many as are kept of a source.
void AddSelectors(std::string_view list, std::string* all, DaySelectors* out) {
  out->any = 1;
  constexpr size_t kBytes = sizeof(uint32_t);
  for (size_t at = 0; at < list.size(); at += kBytes) {
    const std::string_view selector = list.substr(at, kBytes);
    bool known = false;
    for (size_t i = 0; i < all->size() && !known; i += kBytes) {
      known = std::string_view(*all).substr(i, kBytes) == selector;
    }
    if (known) continue;
    if (all->size() < kMaxSelectorsKept * kBytes) {
      *all += selector;
    } else {
      out->more = 1;
    }
  }
}

struct SourceBuild {
  DaySource day;
  std::vector<uint32_t> cells;
  std::vector<uint32_t> addresses;
  uint32_t last_report = 0;
};

// Puts a day together, of rows or of parts that were put together before.
class DayMaker {
 public:
  DayMaker(DayNumber day, RowNames* names) : names_(*names) { out.day = day; }

  SourceBuild& Source(uint32_t number);
  // Of the source's rows the strongest evidence, and of equal the first by name.
  void SeeEvidence(DaySource& source, uint8_t rule, uint32_t value, bool service);
  void AddCell(SourceBuild& source, RowCell cell, int64_t messages);
  void AddAddress(SourceBuild& source, uint32_t address);
  void Append(const DayRows& part);
  DayRows Finish();

  DayRows out;

 private:
  std::string TextOf(const DaySource& source, uint32_t value) const;
  void FinishCells(SourceBuild& source);

  RowNames& names_;
  std::vector<SourceBuild> sources_;
  absl::flat_hash_map<uint32_t, uint32_t> source_index_;
  std::vector<std::pair<RowCell, int64_t>> cells_;
  absl::flat_hash_map<CellKey, uint32_t> cell_index_;
  absl::flat_hash_set<uint64_t> seen_addresses_;  // source and address
};

SourceBuild& DayMaker::Source(uint32_t number) {
  const auto [it, inserted] =
      source_index_.try_emplace(number, static_cast<uint32_t>(sources_.size()));
  if (inserted) {
    sources_.emplace_back();
    sources_.back().day.source = number;
    sources_.back().day.rule = DaySource::kNoRule;
  }
  return sources_[it->second];
}

std::string DayMaker::TextOf(const DaySource& source, uint32_t value) const {
  return value == DaySource::kOwnAddress
             ? names_.address(names_.AddressOfSource(source.source)).ToString()
             : std::string(names_.text(value));
}

void DayMaker::SeeEvidence(DaySource& source, uint8_t rule, uint32_t value, bool service) {
  if (rule > source.rule || (rule == source.rule && value == source.value)) return;
  if (rule == source.rule && TextOf(source, value) >= TextOf(source, source.value)) return;
  source.rule = rule;
  source.value = value;
  source.service = service;
}

void DayMaker::AddCell(SourceBuild& source, RowCell cell, int64_t messages) {
  const CellKey key{.source = source.day.source,
                    .shape = cell.shape,
                    .reporter = cell.reporter,
                    .trust = cell.trust,
                    .rule_and_spread = static_cast<uint8_t>(cell.rule << 1 | cell.spread)};
  const auto [it, inserted] = cell_index_.try_emplace(key, static_cast<uint32_t>(cells_.size()));
  if (inserted) {
    source.cells.push_back(it->second);
    cells_.emplace_back(cell, 0);
  }
  int64_t& sum = cells_[it->second].second;
  sum = SaturatingAdd(sum, messages);
}

void DayMaker::AddAddress(SourceBuild& source, uint32_t address) {
  if (seen_addresses_.emplace(uint64_t{source.day.source} << 32 | address).second) {
    source.addresses.push_back(address);
  }
}

void DayMaker::Append(const DayRows& part) {
  out.reports += part.reports;
  out.last_receipt = part.last_receipt;
  out.last_item = part.last_item;
  out.counts.Add(part.counts);
  out.spread.insert(out.spread.end(), part.spread.begin(), part.spread.end());
  if (part.expired) out.expired = std::make_unique<DayTotals>(*part.expired);
  uint32_t cell = 0, address = 0;
  for (const DaySource& from : part.sources) {
    SourceBuild& source = Source(from.source);
    DaySource& day = source.day;
    SeeEvidence(day, from.rule, from.value, from.service);
    day.reports += from.reports;
    day.messages = SaturatingAdd(day.messages, from.messages);
    day.own_dkim |= from.own_dkim;
    day.believed |= from.believed;
    day.believed_own_dkim |= from.believed_own_dkim;
    for (; cell < from.cells_end; ++cell) {
      RowCell one = part.cells[cell];
      one.large = 0;
      AddCell(source, one, part.MessagesOf(part.cells[cell]));
    }
    if (address == from.addresses_end) AddAddress(source, names_.AddressOfSource(from.source));
    for (; address < from.addresses_end; ++address) AddAddress(source, part.addresses[address]);
  }
}

void DayMaker::FinishCells(SourceBuild& source) {
  const auto put = [this](int64_t messages, auto part, auto& parts) {
    if (messages <= std::numeric_limits<uint32_t>::max()) {
      part.messages = static_cast<uint32_t>(messages);
    } else {
      part.large = 1;
      part.messages = static_cast<uint32_t>(out.large.size());
      out.large.push_back(messages);
    }
    parts.push_back(part);
  };
  SumsOf<RowSum> sums;
  SumsOf<AnchorSum> anchors;
  std::string selectors, believed;
  for (const uint32_t number : source.cells) {
    const auto& [cell, messages] = cells_[number];
    const RowShape& shape = names_.shape(cell.shape);
    put(messages, cell, out.cells);
    const RowSum sum = SumOf(cell, shape);
    sums.Add(sum, messages);
    if (static_cast<TrustClass>(cell.trust) == TrustClass::kAnchored) {
      anchors.Add(AnchorOf(cell, sum), messages);
    }
    source.day.reporters |= uint64_t{1}
                            << std::min<uint32_t>(cell.reporter, DaySource::kHighReporter);
    if (shape.own_signature) {
      const std::string_view list = names_.text(shape.selectors);
      AddSelectors(list, &selectors, &source.day.selectors);
      if (IsBelieved(static_cast<TrustClass>(cell.trust))) {
        AddSelectors(list, &believed, &source.day.believed_selectors);
      }
    }
  }
  for (const auto& [sum, messages] : sums.all()) put(messages, sum, out.sums);
  for (const auto& [sum, messages] : anchors.all()) put(messages, sum, out.anchors);
  const auto keep = [this](std::string_view list, DaySelectors& kept) {
    if (kept.any) kept.list = names_.AddText(list) & ((1u << 30) - 1);
  };
  keep(selectors, source.day.selectors);
  keep(believed, source.day.believed_selectors);
  source.day.cells_end = static_cast<uint32_t>(out.cells.size());
  source.day.sums_end = static_cast<uint32_t>(out.sums.size());
  source.day.anchors_end = static_cast<uint32_t>(out.anchors.size());
}

DayRows DayMaker::Finish() {
  out.sources.reserve(sources_.size());
  out.cells.reserve(cells_.size());
  for (SourceBuild& source : sources_) {
    FinishCells(source);
    const uint32_t own = names_.AddressOfSource(source.day.source);
    const bool only_own =
        own != kNoAddress && source.addresses.size() == 1 && source.addresses[0] == own;
    if (!only_own) {
      out.addresses.insert(out.addresses.end(), source.addresses.begin(), source.addresses.end());
    }
    source.day.addresses_end = static_cast<uint32_t>(out.addresses.size());
    out.sources.push_back(source.day);
  }
  out.addresses.shrink_to_fit();
  out.sums.shrink_to_fit();
  out.anchors.shrink_to_fit();
  return std::move(out);
}

}  // namespace

struct DayRowsBuilder::Impl {
  const Attributor& attribute;
  RowNames& names;
  RowShaper shaper;
  DayMaker day;
  uint32_t report = 0;  // the number of the present one, from 1
  bool fits = true;

  void AddRow(const AggregateRecord& record, const StoredReport& report, uint16_t reporter,
              SpreadReport* spread);
};

void DayRowsBuilder::Impl::AddRow(const AggregateRecord& record, const StoredReport& stored,
                                  uint16_t reporter, SpreadReport* spread) {
  const int64_t messages = MessagesOf(record);
  if (messages == 0) return;
  const Attribution attribution = attribute(record);
  if (attribution.source_id == kOverflowSourceId) fits = false;
  const RowShape shape = shaper.ShapeOf(record, stored.report.policy, attribution);
  day.out.counts.Add(shape.facts().Of(messages));
  const uint32_t shape_number = names.AddShape(shape);

  const uint32_t number = names.AddSource(attribution.source_id);
  SourceBuild& build = day.Source(number);
  DaySource& source = build.day;
  const auto rule = static_cast<uint8_t>(attribution.rule);
  if (rule <= source.rule) {
    const uint32_t own = names.AddressOfSource(number);
    const bool is_own = own != kNoAddress && attribution.value == names.address(own).ToString();
    day.SeeEvidence(source, rule,
                    is_own ? DaySource::kOwnAddress : names.AddText(attribution.value),
                    attribution.service != nullptr);
  }
  if (build.last_report != report) {
    build.last_report = report;
    ++source.reports;
  }
  source.messages = SaturatingAdd(source.messages, messages);
  const uint8_t own_dkim = attribution.rule == Rule::kOwnDkim;
  source.own_dkim |= own_dkim;
  if (IsBelieved(stored.trust)) {
    source.believed = 1;
    source.believed_own_dkim |= own_dkim;
  }

  RowCell cell{
      .shape = shape_number, .reporter = reporter, .trust = static_cast<uint8_t>(stored.trust)};
  cell.rule = rule & 15;
  cell.spread = spread != nullptr;
  day.AddCell(build, cell, messages);
  day.AddAddress(build, names.AddAddress(record.source_ip));
  if (spread != nullptr) spread->rows.push_back({number, shape_number, messages});
}

DayRowsBuilder::DayRowsBuilder(std::string_view domain, DayNumber day, const Attributor& attribute,
                               const PublicSuffixList& suffixes, RowNames* names)
    : impl_(new Impl{.attribute = attribute,
                     .names = *names,
                     .shaper = RowShaper(domain, suffixes, names),
                     .day = DayMaker(day, names)}) {}
DayRowsBuilder::~DayRowsBuilder() = default;

bool DayRowsBuilder::Add(const StoredReport& stored) {
  Impl& impl = *impl_;
  DayRows& out = impl.day.out;
  if (stored.key.day != out.day) return true;
  out.last_receipt = stored.key.receipt;
  out.last_item = stored.key.item;
  if (!IsCounted(stored.trust)) return true;
  ++out.reports;
  ++impl.report;
  const ReportMetadata& metadata = stored.report.metadata;
  const uint32_t reporter =
      impl.names.AddReporter(metadata.org_name.empty() ? stored.reporter_key : metadata.org_name);
  if (reporter >= kMaxRowReporters) return false;
  SpreadReport spread{.begin = metadata.begin, .end = metadata.end, .rows = {}};
  const bool several = OfSeveralDays(metadata);
  for (const AggregateRecord& record : stored.report.records) {
    impl.AddRow(record, stored, static_cast<uint16_t>(reporter), several ? &spread : nullptr);
  }
  if (!spread.rows.empty()) out.spread.push_back(std::move(spread));
  return impl.fits;
}

void DayRowsBuilder::AddExpired(const DayTotals& totals) {
  DayRows& out = impl_->day.out;
  if (totals.day == out.day) out.expired = std::make_unique<DayTotals>(totals);
}

DayRows DayRowsBuilder::Finish() { return impl_->day.Finish(); }

DayRows JoinDayRows(const DayRows& before, const DayRows& later, RowNames* names) {
  DayMaker day(before.day, names);
  day.Append(before);
  day.Append(later);
  return day.Finish();
}

}  // namespace dmarcate
