#include "policyd/analysis/statistics.h"

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

#include "lib/base/text.h"
#include "policyd/analysis/source_kind.h"

namespace dmarcate {
namespace {

struct AddressHash {
  size_t operator()(const std::optional<IpAddress>& address) const {
    if (!address) return 0;
    const auto& bytes = address->bytes();
    return std::hash<std::string_view>{}(
        {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
};

// The organisation as people know it; the key that tells reporters apart where it gave no name.
std::string_view ReporterName(const StoredReport& report) {
  const std::string& name = report.report.metadata.org_name;
  return name.empty() ? std::string_view(report.reporter_key) : std::string_view(name);
}

void SortEntries(std::vector<BreakdownEntry>& entries) {
  std::ranges::sort(entries, [](const BreakdownEntry& a, const BreakdownEntry& b) {
    if (a.counts.messages != b.counts.messages) return a.counts.messages > b.counts.messages;
    return a.key < b.key;
  });
}

// Sums by a key that strangers choose.
class KeyedCounts {
 public:
  explicit KeyedCounts(size_t limit = kMaxKeys) : limit_(limit) {}

  void Add(std::string_view key, const Counts& counts) {
    auto it = sums_.find(key);
    if (it == sums_.end()) {
      if (sums_.size() >= limit_) key = kOverflowKey;
      it = sums_.try_emplace(std::string(key)).first;
    }
    it->second.Add(counts);
  }
  std::vector<BreakdownEntry> Sorted() {
    std::vector<BreakdownEntry> entries;
    entries.reserve(sums_.size());
    for (auto& [key, counts] : sums_) entries.push_back({key, counts});
    SortEntries(entries);
    return entries;
  }

 private:
  size_t limit_;
  StringMap<Counts> sums_;
};

// One source while rows still come in.
struct SourceBuild {
  SourceStatistics stats;
  std::set<std::string, std::less<>> believed_selectors;
  absl::flat_hash_map<std::optional<IpAddress>, AddressStats, AddressHash> addresses;
  absl::flat_hash_set<uint32_t> reporters;
  std::set<std::string, std::less<>> selectors;
  KeyedCounts by_header_from{kMaxHeaderFromKept};
  bool selector_unnamed = false;  // of a signature of ours that passes
  bool empty = true;
};

using Selectors = std::set<std::string, std::less<>>;

void AddSelector(Selectors& selectors, std::string_view selector, bool* all_kept) {
  if (selector.empty() || selectors.contains(selector)) return;
  if (selectors.size() < kMaxSelectorsKept) {
    selectors.emplace(selector);
  } else {
    *all_kept = false;
  }
}

// Of every signature of ours on the mail that passes. Its attribution knows one of them. False: one
// was reported without its selector.
bool AddSelectors(Selectors& selectors, const AggregateRecord& record, std::string_view domain,
                  std::string_view one, bool* all_kept) {
  AddSelector(selectors, one, all_kept);
  bool all = !one.empty();
  for (const DkimAuth& auth : record.dkim) {
    if (auth.result != AuthResult::kPass || !IsAtOrBelow(auth.domain, domain)) continue;
    if (!auth.selector || auth.selector->empty()) {
      all = false;
    } else {
      AddSelector(selectors, *auth.selector, all_kept);
    }
  }
  return all;
}

void AddBelieved(SourceBuild& source, const AggregateRecord& record, std::string_view domain,
                 const Attribution& attribution, const Counts& counts) {
  KindGrounds& grounds = source.stats.believed;
  const auto add = [&counts](int64_t& sum, bool so) {
    if (so) sum = SaturatingAdd(sum, counts.messages);
  };
  add(grounds.messages, true);
  grounds.dmarc_pass = SaturatingAdd(grounds.dmarc_pass, counts.dmarc_pass);
  add(grounds.forwarded_by_override, attribution.forward_hint == ForwardHint::kOverride);
  add(grounds.own_envelope_denied, attribution.own_envelope_denied);
  add(grounds.own_signature, attribution.own_signature);
  add(grounds.own_dkim, attribution.rule == Rule::kOwnDkim);
  if (!attribution.own_signature) return;
  AddSelectors(source.believed_selectors, record, domain, attribution.own_selector,
               &grounds.own_selectors_known);
}

void ListReporter(AddressStats& address, uint32_t reporter) {
  if (address.reporters.size() < kMaxReportersListed &&
      std::ranges::find(address.reporters, reporter) == address.reporters.end()) {
    address.reporters.push_back(reporter);
  }
}

bool MoreMessages(const AddressStats& a, const AddressStats& b) {
  if (a.counts.messages != b.counts.messages) return a.counts.messages > b.counts.messages;
  return a.address < b.address;
}

void AddAnchor(std::vector<AnchorCounts>& anchors, uint32_t reporter, const Counts& counts,
               Rule rule, DayNumber day) {
  auto anchor = std::ranges::lower_bound(anchors, reporter, {}, &AnchorCounts::reporter);
  if (anchor == anchors.end() || anchor->reporter != reporter) {
    if (anchors.size() == kMaxAnchorsKept) return;
    anchor = anchors.insert(anchor, {.reporter = reporter, .first_day = day, .last_day = day});
  }
  anchor->counts.Add(counts);
  if (ProvesIdentity(rule)) anchor->proved = SaturatingAdd(anchor->proved, counts.messages);
  anchor->first_day = std::min(anchor->first_day, day);
  anchor->last_day = std::max(anchor->last_day, day);
}

}  // namespace

bool ProvesIdentity(Rule rule) {
  return rule == Rule::kCatalogueDkim || rule == Rule::kCatalogueSelector ||
         rule == Rule::kCatalogueReverseName || rule == Rule::kOwnDkim;
}

std::string_view DispositionKey(Disposition disposition) {
  switch (disposition) {
    case Disposition::kNone:
      return "none";
    case Disposition::kQuarantine:
      return "quarantine";
    case Disposition::kReject:
      return "reject";
    case Disposition::kPass:
      return "pass";
    case Disposition::kUnspecified:
      return "unspecified";
  }
  return "unspecified";
}

struct StatisticsBuilder::Impl {
  Impl(std::string_view domain_name, const DayRange& day_range, const Catalogue& known,
       std::string_view series_source, const NetworkEvidence* known_network,
       const Regrouping* grouped)
      : catalogue(known), network(known_network), regrouping(grouped), series_of(series_source) {
    out.domain = domain_name;
    out.range = day_range;
    out.days.resize(static_cast<size_t>(day_range.days()));
    for (size_t i = 0; i < out.days.size(); ++i) {
      out.days[i].day = day_range.first + static_cast<DayNumber>(i);
    }
  }

  const Catalogue& catalogue;
  const NetworkEvidence* const network;
  const Regrouping* const regrouping;
  const std::string series_of;
  DomainStatistics out;
  StringMap<SourceBuild> sources;
  SourcePlaces places;
  size_t address_count = 0;
  StringMap<uint32_t> reporter_index;
  KeyedCounts by_reporter, by_header_from, by_disposition;

  DayStats& Day(DayNumber day) { return out.days[static_cast<size_t>(day - out.range.first)]; }
  uint32_t ReporterIndex(std::string_view name);
  SourceBuild& Source(const Attribution& attribution, bool believed);
  AddressStats& Address(SourceBuild& source, const std::optional<IpAddress>& address);
  // Whether the row's source is in the series of days.
  bool AddRow(const AggregateRecord& record, const StoredReport& report, uint32_t reporter,
              DaySpread& spread);
  void FinishSource(SourceBuild& source);
  void BreakDownByAddress();
};

uint32_t StatisticsBuilder::Impl::ReporterIndex(std::string_view name) {
  auto it = reporter_index.find(name);
  if (it == reporter_index.end()) {
    if (reporter_index.size() >= kMaxKeys) name = kOverflowKey;
    const auto next = static_cast<uint32_t>(out.reporters.size());
    bool inserted = false;
    std::tie(it, inserted) = reporter_index.try_emplace(std::string(name), next);
    if (inserted) out.reporters.emplace_back(name);
  }
  return it->second;
}

SourceBuild& StatisticsBuilder::Impl::Source(const Attribution& attribution, bool believed) {
  auto it = sources.find(attribution.source_id);
  if (it == sources.end()) {
    const bool overflow = !places.Take(believed);
    it = sources.try_emplace(overflow ? std::string(kOverflowSourceId) : attribution.source_id)
             .first;
  }
  SourceStatistics& stats = it->second.stats;
  if (stats.id.empty()) stats.id = it->first;
  if (it->first == kOverflowSourceId) {
    stats.rule = Rule::kOverflow;
  } else if (it->second.empty || attribution.rule < stats.rule ||
             (attribution.rule == stats.rule && attribution.value < stats.value)) {
    // The strongest evidence, and of equal evidence the first by name: independent of the order
    // in which reports come.
    stats.rule = attribution.rule;
    stats.value = attribution.value;
    stats.service = attribution.service;
  }
  return it->second;
}

AddressStats& StatisticsBuilder::Impl::Address(SourceBuild& source,
                                               const std::optional<IpAddress>& address) {
  if (const auto it = source.addresses.find(address); it != source.addresses.end()) {
    return it->second;
  }
  if (address && address_count >= kMaxAddresses) return Address(source, std::nullopt);
  ++address_count;
  AddressStats& stats = source.addresses[address];
  stats.address = address;
  return stats;
}

bool StatisticsBuilder::Impl::AddRow(const AggregateRecord& record, const StoredReport& report,
                                     uint32_t reporter, DaySpread& spread) {
  const int64_t messages = MessagesOf(record);
  if (messages == 0) return false;
  const RowFacts facts(record);
  const Counts counts = facts.Of(messages);
  Attribution attribution = Attribute(record, out.domain, catalogue, network);
  Regroup(record, catalogue, regrouping, &attribution);

  out.total.Add(counts);
  const auto trust = static_cast<size_t>(report.trust) % kTrustClasses;
  out.by_trust[trust].Add(counts);
  by_reporter.Add(out.reporters[reporter], counts);
  by_header_from.Add(record.header_from, counts);
  by_disposition.Add(DispositionKey(record.disposition), counts);
  out.by_selector.Add(record, out.domain, messages);

  SourceBuild& source = Source(attribution, IsBelieved(report.trust));
  SourceStatistics& stats = source.stats;
  stats.counts.Add(counts);
  stats.by_trust[trust].Add(counts);
  // What stands for many senders has no voices: nothing is concluded of it.
  if (report.trust == TrustClass::kAnchored && stats.rule != Rule::kOverflow) {
    AddAnchor(stats.anchors, reporter, counts, attribution.rule, report.key.day);
  }
  if (IsBelieved(report.trust)) {
    AddBelieved(source, record, out.domain, attribution, counts);
  }
  int64_t& by_rule = stats.by_rule[static_cast<size_t>(attribution.rule)];
  by_rule = SaturatingAdd(by_rule, messages);
  if (attribution.forward_hint == ForwardHint::kOverride) {
    stats.forwarded_by_override = SaturatingAdd(stats.forwarded_by_override, messages);
  } else if (attribution.forward_hint == ForwardHint::kBrokenSpf) {
    stats.forwarded_by_broken_spf = SaturatingAdd(stats.forwarded_by_broken_spf, messages);
  }
  if (attribution.own_envelope_denied) {
    stats.own_envelope_denied = SaturatingAdd(stats.own_envelope_denied, messages);
  }
  if (attribution.own_signature) {
    stats.own_signature = SaturatingAdd(stats.own_signature, messages);
    const bool all = AddSelectors(source.selectors, record, out.domain, attribution.own_selector,
                                  &stats.own_selectors_known);
    source.selector_unnamed = source.selector_unnamed || !all;
  }
  std::array<bool, kReasonTypes> seen{};  // two reasons of one type are one reason
  for (const OverrideReason& reason : record.reasons) {
    const auto type = static_cast<size_t>(reason.type) % kReasonTypes;
    if (!std::exchange(seen[type], true)) {
      stats.overrides[type] = SaturatingAdd(stats.overrides[type], messages);
    }
  }
  source.reporters.insert(reporter);
  source.by_header_from.Add(record.header_from, counts);

  const DayNumber day = report.key.day;
  AddressStats& address = Address(source, record.source_ip);
  const bool first_seen = address.counts.messages == 0;
  address.counts.Add(counts);
  address.first_day = first_seen ? day : std::min(address.first_day, day);
  address.last_day = first_seen ? day : std::max(address.last_day, day);
  ListReporter(address, reporter);
  stats.first_day = source.empty ? day : std::min(stats.first_day, day);
  stats.last_day = source.empty ? day : std::max(stats.last_day, day);
  source.empty = false;

  if (!series_of.empty() && series_of != stats.id) return false;
  spread.Deal(messages, [&](DayNumber to, int64_t share) {
    Day(to).counts.Add(facts.Of(share));
    if (spread.estimated()) Day(to).estimated = true;
  });
  return true;
}

void StatisticsBuilder::Impl::FinishSource(SourceBuild& source) {
  SourceStatistics& stats = source.stats;
  stats.own_selectors.assign(source.selectors.begin(), source.selectors.end());
  stats.believed.own_selectors.assign(source.believed_selectors.begin(),
                                      source.believed_selectors.end());
  stats.reporters.assign(source.reporters.begin(), source.reporters.end());
  std::ranges::sort(stats.reporters);
  stats.addresses.reserve(source.addresses.size());
  for (auto& entry : source.addresses) stats.addresses.push_back(std::move(entry.second));
  source.addresses.clear();
  std::ranges::sort(stats.addresses, MoreMessages);
  stats.address_count = stats.addresses.size();
  stats.by_header_from = source.by_header_from.Sorted();
}

void StatisticsBuilder::Impl::BreakDownByAddress() {
  absl::flat_hash_map<std::optional<IpAddress>, Counts, AddressHash> sums;
  for (const SourceStatistics& source : out.sources) {
    for (const AddressStats& address : source.addresses) sums[address.address].Add(address.counts);
  }
  out.by_address.reserve(sums.size());
  for (const auto& [address, counts] : sums) {
    out.by_address.push_back({address ? address->ToString() : std::string(), counts});
  }
  SortEntries(out.by_address);
}

StatisticsBuilder::StatisticsBuilder(std::string_view domain, const DayRange& range,
                                     const Catalogue& catalogue, std::string_view series_of,
                                     const NetworkEvidence* network, const Regrouping* regrouping)
    : impl_(std::make_unique<Impl>(domain, range, catalogue, series_of, network, regrouping)) {}
StatisticsBuilder::~StatisticsBuilder() = default;

void StatisticsBuilder::Add(const StoredReport& report) {
  const DayNumber day = report.key.day;
  const DayRange& range = impl_->out.range;
  if (day < range.first || day > range.last || !IsCounted(report.trust)) return;
  auto& last = impl_->out.last_report_day;
  last = std::max(last.value_or(day), day);
  bool in_series = impl_->series_of.empty();
  const uint32_t reporter = impl_->ReporterIndex(ReporterName(report));
  const ReportMetadata& metadata = report.report.metadata;
  DaySpread spread(metadata.begin, metadata.end, day, range);
  for (const AggregateRecord& record : report.report.records) {
    in_series |= impl_->AddRow(record, report, reporter, spread);
  }
  if (in_series) impl_->Day(day).reports++;
}

void StatisticsBuilder::AddExpired(const DayTotals& totals) {
  const DayRange& range = impl_->out.range;
  if (totals.day < range.first || totals.day > range.last) return;
  const Counts counts = ToCounts(totals);
  DayStats& day = impl_->Day(totals.day);
  day.expired.Add(counts);
  day.expired_reports += static_cast<int32_t>(
      std::clamp<int64_t>(totals.reports, 0, std::numeric_limits<int32_t>::max() / 2));
  impl_->out.expired.Add(counts);
}

DomainStatistics StatisticsBuilder::Finish() {
  Impl& impl = *impl_;
  DomainStatistics& out = impl.out;
  std::set<std::string> selectors;
  out.selectors_known = out.expired.messages == 0;  // of those there are counts alone
  out.sources.reserve(impl.sources.size());
  for (auto& entry : impl.sources) {
    SourceBuild& source = entry.second;
    impl.FinishSource(source);
    const bool signs_as_us = source.stats.by_rule[static_cast<size_t>(Rule::kOwnDkim)] > 0;
    if (source.stats.service != nullptr || signs_as_us) {
      selectors.insert(source.stats.own_selectors.begin(), source.stats.own_selectors.end());
      out.selectors_known =
          out.selectors_known && source.stats.own_selectors_known && !source.selector_unnamed;
    }
    out.sources.push_back(std::move(source.stats));
  }
  impl.sources.clear();
  const std::set<std::string> home_selectors = HomeSelectors(out.sources);
  for (SourceStatistics& source : out.sources) source.kind = KindOf(source, home_selectors);
  std::ranges::sort(out.sources, [](const SourceStatistics& a, const SourceStatistics& b) {
    if (a.counts.messages != b.counts.messages) return a.counts.messages > b.counts.messages;
    return a.id < b.id;
  });
  out.by_reporter = impl.by_reporter.Sorted();
  out.by_header_from = impl.by_header_from.Sorted();
  out.by_disposition = impl.by_disposition.Sorted();
  impl.BreakDownByAddress();
  out.selectors.assign(selectors.begin(), selectors.end());
  return std::move(out);
}

const SourceStatistics* DomainStatistics::FindSource(std::string_view id) const {
  const auto it = std::ranges::find(sources, id, &SourceStatistics::id);
  return it == sources.end() ? nullptr : &*it;
}

size_t DomainStatistics::MemoryBytes() const {
  size_t bytes = sizeof(*this) + days.size() * sizeof(DayStats) + reporters.size() * 64 +
                 (by_reporter.size() + by_address.size() + by_header_from.size()) *
                     (sizeof(BreakdownEntry) + 32) +
                 by_selector.MemoryBytes();
  for (const SourceStatistics& source : sources) {
    bytes += sizeof(source) + source.reporters.size() * sizeof(uint32_t) +
             source.anchors.capacity() * sizeof(AnchorCounts) +
             source.by_header_from.size() * (sizeof(BreakdownEntry) + 32);
    for (const AddressStats& address : source.addresses) {
      bytes += sizeof(address) + address.reporters.capacity() * sizeof(uint32_t);
    }
  }
  return bytes;
}

}  // namespace dmarcate
