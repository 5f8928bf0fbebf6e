#include "policyd/analysis/spf_traffic.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/ip_range_set.h"
#include "lib/base/text.h"
#include "lib/inspect/spf_outcome.h"
#include "policyd/analysis/attribution.h"
#include "policyd/analysis/counts.h"
#include "policyd/analysis/statistics.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxAddressesRemembered = 100'000;

// By which record a message of the domain passed SPF.
enum class Passed : uint8_t {
  kNo,
  kOwn,    // the domain's
  kBelow,  // one of a name below it, which may include the domain's
};

Passed PassOf(const AggregateRecord& record, std::string_view domain) {
  Passed passed = Passed::kNo;
  for (const SpfAuth& auth : record.spf) {
    if (auth.result != AuthResult::kPass) continue;
    // Without a domain it may be ours: reports leave it out.
    const std::string name = auth.domain.has_value() ? AsciiLower(*auth.domain) : "";
    if (name == domain || (name.empty() && record.spf_aligned == AlignedResult::kPass)) {
      return Passed::kOwn;
    }
    if (IsAtOrBelow(name, domain)) passed = Passed::kBelow;
  }
  if (record.spf.empty() && record.spf_aligned == AlignedResult::kPass) return Passed::kOwn;
  return passed;
}

bool LetsAddressesThrough(SpfKind kind) {
  switch (kind) {
    case SpfKind::kInclude:
    case SpfKind::kA:
    case SpfKind::kMx:
    case SpfKind::kIp4:
    case SpfKind::kIp6:
      return true;
    default:
      return false;
  }
}

SpfPassSet PassSetOfOne(const SpfNode& term, const std::string& domain) {
  SpfNode record;
  record.children.push_back(term);
  return PassSetOf(record, domain);
}

TermReach ReachOf(const SpfNode& node, const SpfPassSet& set) {
  TermReach reach;
  if (!node.reached) {
    reach.why_not = "it stands behind all: no receiver gets there";
  } else if (!LetsAddressesThrough(node.kind)) {
    reach.why_not = fmt::format("{} is no list of addresses", ToString(node.kind));
  } else if (node.qualifier != SpfQualifier::kPass) {
    reach.why_not = "it lets nothing through";
  } else {
    reach.judged = true;
    reach.certain = node.complete && node.error.empty() && !set.depends && !set.fails;
    if (!node.error.empty()) {
      reach.uncertain = node.error;
    } else if (set.depends) {
      reach.uncertain = "it depends on more than the address (macros, ptr, exists)";
    } else if (!reach.certain) {
      reach.uncertain = "not all that it leads to could be read";
    }
  }
  return reach;
}

}  // namespace

std::vector<TermReach> ReachOfTerms(const SpfTree& tree) {
  std::vector<TermReach> out;
  for (const SpfNode& node : tree.root.children) {
    out.push_back(ReachOf(node, PassSetOfOne(node, tree.domain.text())));
  }
  return out;
}

struct SpfTrafficBuilder::Impl {
  Impl(std::string_view name, const DayRange& days, const SpfTree& tree, const Catalogue& known,
       const NetworkEvidence* addresses, const Regrouping* groups)
      : domain(name), catalogue(known), network(addresses), regrouping(groups) {
    traffic.range = days;
    traffic.terms.resize(tree.root.children.size());
    for (const SpfNode& node : tree.root.children) {
      SpfPassSet set = PassSetOfOne(node, tree.domain.text());
      const bool judged = ReachOf(node, set).judged;
      passing.push_back(judged ? std::move(set.passing) : IpRangeSet());
    }
  }

  // The terms that hold the address, in order.
  const std::vector<size_t>& TermsOf(const IpAddress& address) {
    const auto known = terms_of.find(address);
    if (known != terms_of.end()) return known->second;
    if (terms_of.size() >= kMaxAddressesRemembered) terms_of.clear();
    std::vector<size_t>& terms = terms_of[address];
    for (size_t i = 0; i < passing.size(); ++i) {
      if (passing[i].Contains(address)) terms.push_back(i);
    }
    return terms;
  }

  std::string KeepSource(std::string id, bool believed) {
    if (traffic.sources.contains(id)) return id;
    if (!places.Take(believed)) {
      traffic.sources_known = traffic.sources_known && !believed;
      return std::string(kOverflowSourceId);
    }
    traffic.sources.insert(id);
    return id;
  }

  void AddPassed(int64_t count, int64_t* by_anchor) {
    traffic.passed = SaturatingAdd(traffic.passed, count);
    *by_anchor = SaturatingAdd(*by_anchor, count);
  }

  // `by_anchor`: where its passes are counted; null: the reporter is none.
  void AddRow(const AggregateRecord& record, int64_t* by_anchor, DayNumber day) {
    const int64_t count = MessagesOf(record);
    if (count == 0) return;
    Attribution attribution = Attribute(record, domain, catalogue, network);
    Regroup(record, catalogue, regrouping, &attribution);
    const std::string source = KeepSource(std::move(attribution.source_id), by_anchor != nullptr);
    const Passed by = PassOf(record, domain);
    if (by == Passed::kNo) return;
    static const std::vector<size_t> kNone;
    const std::vector<size_t>& terms = record.source_ip ? TermsOf(*record.source_ip) : kNone;
    if (terms.empty()) {
      if (by == Passed::kOwn && by_anchor != nullptr) AddUnexplained(record, count, by_anchor);
      return;
    }
    if (by_anchor != nullptr) AddPassed(count, by_anchor);
    TermTraffic& term = traffic.terms[terms.front()];
    int64_t& sum = by_anchor != nullptr ? term.anchored : term.others;
    sum = SaturatingAdd(sum, count);
    term.last_day = std::max(term.last_day.value_or(day), day);
    int64_t& of_source = term.sources[source];
    of_source = SaturatingAdd(of_source, count);
    for (size_t i = 1; i < terms.size(); ++i) {
      traffic.terms[terms[i]].behind = SaturatingAdd(traffic.terms[terms[i]].behind, count);
    }
  }

  void AddUnexplained(const AggregateRecord& record, int64_t count, int64_t* by_anchor) {
    AddPassed(count, by_anchor);
    traffic.unexplained = SaturatingAdd(traffic.unexplained, count);
    std::vector<std::string>& shown = traffic.unexplained_addresses;
    std::string text = record.source_ip ? record.source_ip->ToString() : "an unreadable address";
    if (shown.size() < kMaxUnexplainedShown && std::ranges::find(shown, text) == shown.end()) {
      shown.push_back(std::move(text));
    }
  }

  std::string domain;
  const Catalogue& catalogue;
  const NetworkEvidence* network;
  const Regrouping* regrouping;
  std::vector<IpRangeSet> passing;  // of each term; empty: not judged
  std::map<IpAddress, std::vector<size_t>> terms_of;
  SourcePlaces places;
  SpfTraffic traffic;
};

SpfTrafficBuilder::SpfTrafficBuilder(std::string_view domain, const DayRange& range,
                                     const SpfTree& tree, const Catalogue& catalogue,
                                     const NetworkEvidence* network, const Regrouping* regrouping)
    : impl_(std::make_unique<Impl>(domain, range, tree, catalogue, network, regrouping)) {}
SpfTrafficBuilder::~SpfTrafficBuilder() = default;

void SpfTrafficBuilder::Add(const StoredReport& report) {
  const DayNumber day = report.key.day;
  const DayRange& range = impl_->traffic.range;
  if (!report.current || !IsCounted(report.trust) || day < range.first || day > range.last) return;
  int64_t* by_anchor = nullptr;
  if (report.trust == TrustClass::kAnchored) {
    impl_->traffic.anchors[report.reporter_key].insert(day);
    by_anchor = &impl_->traffic.passed_by[report.reporter_key];
  }
  for (const AggregateRecord& record : report.report.records) impl_->AddRow(record, by_anchor, day);
}

SpfTraffic SpfTrafficBuilder::Finish() { return std::move(impl_->traffic); }

}  // namespace dmarcate
