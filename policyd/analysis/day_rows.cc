#include "policyd/analysis/day_rows.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

#include "lib/mailauth/domain_name.h"
#include "policyd/analysis/spread.h"
#include "policyd/analysis/statistics.h"

namespace dmarcate {
namespace {

// Pairs of names whose alignment is remembered, of one day.
constexpr size_t kMaxPairs = 10'000;

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
  std::string_view value;  // of day.value, which is in the names
  std::vector<uint32_t> cells;
  std::vector<uint32_t> addresses;
  uint32_t last_report = 0;
};

}  // namespace

uint8_t BecameOf(Disposition disposition) {
  switch (disposition) {
    case Disposition::kNone:
    case Disposition::kPass:
      return 0;
    case Disposition::kQuarantine:
      return 1;
    case Disposition::kReject:
      return 2;
    case Disposition::kUnspecified:
      return 3;
  }
  return 3;
}

struct DayRowsBuilder::Impl {
  const std::string_view domain;
  const Attributor& attribute;
  const PublicSuffixList& suffixes;
  RowNames& names;
  DayRows out;
  uint32_t report = 0;  // the number of the present one, from 1
  bool fits = true;

  std::vector<SourceBuild> sources;
  absl::flat_hash_map<uint32_t, uint32_t> source_index;
  std::vector<std::pair<RowCell, int64_t>> cells;
  absl::flat_hash_map<CellKey, uint32_t> cell_index;
  absl::flat_hash_set<uint64_t> seen_addresses;  // source and address
  absl::flat_hash_map<std::pair<std::string, std::string>, bool> aligned;

  // By relaxed rules. As what_if.cc has it: names that are no host names align with themselves.
  bool AlignsRelaxed(const std::string& author, const std::string& identifier);
  RowShape ShapeOf(const AggregateRecord& record, const PublishedPolicy& published,
                   const Attribution& attribution);
  uint32_t SelectorsOf(const AggregateRecord& record, std::string_view one);
  SourceBuild& Source(const Attribution& attribution);
  void AddRow(const AggregateRecord& record, const StoredReport& report, uint16_t reporter,
              SpreadReport* spread);
  void Resume(DayRows before);
  void FinishCells(SourceBuild& source);
};

bool DayRowsBuilder::Impl::AlignsRelaxed(const std::string& author, const std::string& identifier) {
  if (author.empty() || identifier.empty()) return false;
  if (author == identifier) return true;
  if (aligned.size() >= kMaxPairs) aligned.clear();
  const auto [it, inserted] = aligned.try_emplace({author, identifier}, false);
  if (inserted) {
    const auto a = DomainName::Parse(author), b = DomainName::Parse(identifier);
    it->second = a.ok() && b.ok() && IsAligned(DmarcAlignmentMode::kRelaxed, *a, *b, suffixes);
  }
  return it->second;
}

uint32_t DayRowsBuilder::Impl::SelectorsOf(const AggregateRecord& record, std::string_view one) {
  std::vector<uint32_t> numbers;
  const auto add = [&](std::string_view selector) {
    if (selector.empty()) return;
    const uint32_t number = names.AddText(selector);
    if (std::ranges::find(numbers, number) == numbers.end()) numbers.push_back(number);
  };
  add(one);
  for (const DkimAuth& auth : record.dkim) {
    if (auth.result == AuthResult::kPass && IsAtOrBelow(auth.domain, domain) && auth.selector) {
      add(*auth.selector);
    }
  }
  return names.AddText(
      {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(numbers[0])});
}

RowShape DayRowsBuilder::Impl::ShapeOf(const AggregateRecord& record,
                                       const PublishedPolicy& published,
                                       const Attribution& attribution) {
  RowShape shape;
  shape.header_from = names.AddText(record.header_from);
  const RowFacts facts(record);
  shape.dkim_aligned = facts.dkim_aligned();
  shape.spf_aligned = facts.spf_aligned();
  shape.dkim_pass = facts.dkim_pass();
  shape.spf_pass = facts.spf_pass();
  shape.forwarded_by_override = attribution.forward_hint == ForwardHint::kOverride;
  shape.forwarded_by_broken_spf = attribution.forward_hint == ForwardHint::kBrokenSpf;
  shape.own_signature = attribution.own_signature;
  shape.own_envelope_denied = attribution.own_envelope_denied;
  if (attribution.own_signature) shape.selectors = SelectorsOf(record, attribution.own_selector);
  shape.disposition = static_cast<uint8_t>(record.disposition);
  for (const OverrideReason& reason : record.reasons) {
    shape.overrides |= static_cast<uint8_t>(1u << (static_cast<unsigned>(reason.type) % 8));
  }
  shape.published_strict_dkim = published.adkim == AlignmentMode::kStrict;
  shape.published_strict_spf = published.aspf == AlignmentMode::kStrict;
  for (const DkimAuth& auth : record.dkim) {
    if (auth.result != AuthResult::kPass || auth.domain.empty()) continue;
    shape.dkim_any = 1;
    shape.dkim_relaxed |= AlignsRelaxed(record.header_from, auth.domain);
    shape.dkim_strict |= record.header_from == auth.domain;
  }
  for (const SpfAuth& auth : record.spf) {
    if (auth.scope == SpfScope::kHelo || !auth.domain || auth.domain->empty()) continue;
    const bool relaxed = AlignsRelaxed(record.header_from, *auth.domain);
    const bool strict = record.header_from == *auth.domain;
    shape.spf_would_relaxed |= relaxed;
    shape.spf_would_strict |= strict;
    if (auth.result != AuthResult::kPass) continue;
    shape.spf_any = 1;
    shape.spf_relaxed |= relaxed;
    shape.spf_strict |= strict;
  }
  return shape;
}

SourceBuild& DayRowsBuilder::Impl::Source(const Attribution& attribution) {
  const uint32_t number = names.AddSource(attribution.source_id);
  const auto [it, inserted] =
      source_index.try_emplace(number, static_cast<uint32_t>(sources.size()));
  if (inserted) {
    sources.emplace_back();
    sources.back().day.source = number;
  }
  SourceBuild& source = sources[it->second];
  const auto rule = static_cast<uint8_t>(attribution.rule);
  DaySource& day = source.day;
  const bool own_address =
      names.AddressOfSource(number) != kNoAddress &&
      attribution.value == names.address(names.AddressOfSource(number)).ToString();
  const auto value = [&] {
    return day.value == DaySource::kOwnAddress
               ? names.address(names.AddressOfSource(number)).ToString()
               : std::string(names.text(day.value));
  };
  if (inserted || rule < day.rule || (rule == day.rule && attribution.value < value())) {
    day.rule = rule;
    day.value = own_address ? DaySource::kOwnAddress : names.AddText(attribution.value);
    day.service = attribution.service != nullptr;
  }
  if (source.last_report != report) {
    source.last_report = report;
    ++day.reports;
  }
  return source;
}

void DayRowsBuilder::Impl::AddRow(const AggregateRecord& record, const StoredReport& stored,
                                  uint16_t reporter, SpreadReport* spread) {
  const int64_t messages = MessagesOf(record);
  if (messages == 0) return;
  const Attribution attribution = attribute(record);
  if (attribution.source_id == kOverflowSourceId) fits = false;
  const RowShape shape = ShapeOf(record, stored.report.policy, attribution);
  out.counts.Add(shape.facts().Of(messages));
  const uint32_t shape_number = names.AddShape(shape);
  SourceBuild& source = Source(attribution);
  DaySource& day = source.day;
  day.messages = SaturatingAdd(day.messages, messages);
  const uint8_t own_dkim = attribution.rule == Rule::kOwnDkim;
  day.own_dkim |= own_dkim;
  if (IsBelieved(stored.trust)) {
    day.believed = 1;
    day.believed_own_dkim |= own_dkim;
  }

  const auto rule = static_cast<uint8_t>(attribution.rule);
  const CellKey key{.source = day.source,
                    .shape = shape_number,
                    .reporter = reporter,
                    .trust = static_cast<uint8_t>(stored.trust),
                    .rule_and_spread = static_cast<uint8_t>(rule << 1 | (spread != nullptr))};
  const auto [it, inserted] = cell_index.try_emplace(key, static_cast<uint32_t>(cells.size()));
  if (inserted) {
    RowCell cell{.shape = shape_number, .reporter = reporter, .trust = key.trust};
    cell.rule = rule & 15;
    cell.spread = spread != nullptr;
    source.cells.push_back(it->second);
    cells.emplace_back(cell, 0);
  }
  int64_t& sum = cells[it->second].second;
  sum = SaturatingAdd(sum, messages);

  const uint32_t address = names.AddAddress(record.source_ip);
  if (seen_addresses.emplace(uint64_t{day.source} << 32 | address).second) {
    source.addresses.push_back(address);
  }
  if (spread != nullptr) spread->rows.push_back({day.source, shape_number, messages});
}

DayRowsBuilder::DayRowsBuilder(std::string_view domain, DayNumber day, const Attributor& attribute,
                               const PublicSuffixList& suffixes, RowNames* names)
    : impl_(new Impl{
          .domain = domain, .attribute = attribute, .suffixes = suffixes, .names = *names}) {
  impl_->out.day = day;
}
DayRowsBuilder::DayRowsBuilder(std::string_view domain, DayRows before, const Attributor& attribute,
                               const PublicSuffixList& suffixes, RowNames* names)
    : DayRowsBuilder(domain, before.day, attribute, suffixes, names) {
  impl_->Resume(std::move(before));
}
DayRowsBuilder::~DayRowsBuilder() = default;

bool DayRowsBuilder::Add(const StoredReport& stored) {
  Impl& impl = *impl_;
  if (stored.key.day != impl.out.day) return true;
  impl.out.last_receipt = stored.key.receipt;
  impl.out.last_item = stored.key.item;
  if (!IsCounted(stored.trust)) return true;
  ++impl.out.reports;
  ++impl.report;
  const ReportMetadata& metadata = stored.report.metadata;
  const uint32_t reporter =
      impl.names.AddReporter(metadata.org_name.empty() ? stored.reporter_key : metadata.org_name);
  if (reporter >= kMaxRowReporters) return false;
  SpreadReport spread{.begin = metadata.begin, .end = metadata.end};
  const bool several = OfSeveralDays(metadata);
  for (const AggregateRecord& record : stored.report.records) {
    impl.AddRow(record, stored, static_cast<uint16_t>(reporter), several ? &spread : nullptr);
  }
  if (!spread.rows.empty()) impl.out.spread.push_back(std::move(spread));
  return impl.fits;
}

void DayRowsBuilder::AddExpired(const DayTotals& totals) {
  if (totals.day == impl_->out.day) impl_->out.expired = std::make_unique<DayTotals>(totals);
}

void DayRowsBuilder::Impl::Resume(DayRows before) {
  uint32_t cell = 0, address = 0;
  for (const DaySource& day : before.sources) {
    source_index.emplace(day.source, static_cast<uint32_t>(sources.size()));
    SourceBuild& source = sources.emplace_back();
    source.day = day;
    // These come of the cells again.
    source.day.selectors = source.day.believed_selectors = {};
    source.day.reporters = 0;
    for (; cell < day.cells_end; ++cell) {
      RowCell one = before.cells[cell];
      const int64_t messages = before.MessagesOf(one);
      one.large = 0;
      const CellKey key{.source = day.source,
                        .shape = one.shape,
                        .reporter = one.reporter,
                        .trust = one.trust,
                        .rule_and_spread = static_cast<uint8_t>(one.rule << 1 | one.spread)};
      cell_index.emplace(key, static_cast<uint32_t>(cells.size()));
      source.cells.push_back(static_cast<uint32_t>(cells.size()));
      cells.emplace_back(one, messages);
    }
    if (address == day.addresses_end) {
      source.addresses.push_back(names.AddressOfSource(day.source));
    }
    for (; address < day.addresses_end; ++address) {
      source.addresses.push_back(before.addresses[address]);
    }
    for (const uint32_t one : source.addresses) {
      seen_addresses.emplace(uint64_t{day.source} << 32 | one);
    }
  }
  out = std::move(before);
  out.sources.clear();
  out.cells.clear();
  out.sums.clear();
  out.anchors.clear();
  out.addresses.clear();
  out.large.clear();
}

void DayRowsBuilder::Impl::FinishCells(SourceBuild& source) {
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
    const auto& [cell, messages] = cells[number];
    const RowShape& shape = names.shape(cell.shape);
    put(messages, cell, out.cells);
    const RowSum sum = SumOf(cell, shape);
    sums.Add(sum, messages);
    if (static_cast<TrustClass>(cell.trust) == TrustClass::kAnchored) {
      anchors.Add(AnchorOf(cell, sum), messages);
    }
    source.day.reporters |= uint64_t{1}
                            << std::min<uint32_t>(cell.reporter, DaySource::kHighReporter);
    if (shape.own_signature) {
      const std::string_view list = names.text(shape.selectors);
      AddSelectors(list, &selectors, &source.day.selectors);
      if (IsBelieved(static_cast<TrustClass>(cell.trust))) {
        AddSelectors(list, &believed, &source.day.believed_selectors);
      }
    }
  }
  for (const auto& [sum, messages] : sums.all()) put(messages, sum, out.sums);
  for (const auto& [sum, messages] : anchors.all()) put(messages, sum, out.anchors);
  const auto keep = [this](std::string_view list, DaySelectors& kept) {
    if (kept.any) kept.list = names.AddText(list) & ((1u << 30) - 1);
  };
  keep(selectors, source.day.selectors);
  keep(believed, source.day.believed_selectors);
  source.day.cells_end = static_cast<uint32_t>(out.cells.size());
  source.day.sums_end = static_cast<uint32_t>(out.sums.size());
  source.day.anchors_end = static_cast<uint32_t>(out.anchors.size());
}

DayRows DayRowsBuilder::Finish() {
  Impl& impl = *impl_;
  DayRows& out = impl.out;
  out.sources.reserve(impl.sources.size());
  out.cells.reserve(impl.cells.size());
  for (SourceBuild& source : impl.sources) {
    impl.FinishCells(source);
    const uint32_t own = impl.names.AddressOfSource(source.day.source);
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

size_t DayRows::MemoryBytes() const {
  size_t bytes = sizeof(*this) + sources.capacity() * sizeof(DaySource) +
                 cells.capacity() * sizeof(RowCell) + sums.capacity() * sizeof(RowSum) +
                 anchors.capacity() * sizeof(AnchorSum) + addresses.capacity() * sizeof(uint32_t) +
                 large.capacity() * sizeof(int64_t) + (expired ? sizeof(DayTotals) : 0);
  for (const SpreadReport& report : spread) {
    bytes += sizeof(report) + report.rows.capacity() * sizeof(SpreadReport::Row);
  }
  return bytes;
}

}  // namespace dmarcate
