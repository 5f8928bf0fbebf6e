#include "policyd/analysis/what_if.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"
#include "policyd/analysis/attribution.h"
#include "policyd/analysis/counts.h"
#include "policyd/analysis/statistics.h"
#include "policyd/analysis/what_if_rules.h"

namespace dmarcate {
namespace {

// `identifier` against the domain of From, by RFC 9989 section 4.4. Names of strangers may be no
// host names: those align only with themselves.
bool Aligns(DmarcAlignmentMode mode, std::string_view author, std::string_view identifier,
            const PublicSuffixList& suffixes) {
  if (author.empty() || identifier.empty()) return false;
  if (author == identifier) return true;
  if (mode == DmarcAlignmentMode::kStrict) return false;
  const auto a = DomainName::Parse(author), b = DomainName::Parse(identifier);
  return a.ok() && b.ok() && IsAligned(mode, *a, *b, suffixes);
}

DmarcAlignmentMode ModeOf(const std::optional<AlignmentMode>& published) {
  return published == AlignmentMode::kStrict ? DmarcAlignmentMode::kStrict
                                             : DmarcAlignmentMode::kRelaxed;
}

// One row under one supposition.
class RowReading {
 public:
  RowReading(const AggregateRecord& record, const PublishedPolicy& published, const WhatIf& what_if,
             Treatment treatment, const PublicSuffixList& suffixes)
      : record_(record),
        published_(published),
        policy_(what_if.policy),
        treatment_(treatment),
        suffixes_(suffixes) {}

  MechanismVerdict Dkim() const {
    if (treatment_ == Treatment::kSigned) return {true, false};
    const DmarcAlignmentMode published = ModeOf(published_.adkim);
    bool any = false, aligned = false;
    if (published != policy_.adkim) {
      for (const DkimAuth& auth : record_.dkim) {
        if (auth.result != AuthResult::kPass || auth.domain.empty()) continue;
        any = true;
        aligned |= Aligns(policy_.adkim, record_.header_from, auth.domain, suffixes_);
      }
    }
    return InMode(record_.dkim_aligned == AlignedResult::kPass, published, policy_.adkim, any,
                  aligned);
  }

  MechanismVerdict Spf() const {
    if (treatment_ == Treatment::kSpfWithdrawn) return {false, false};
    const DmarcAlignmentMode published = ModeOf(published_.aspf);
    bool any = false, aligned = false, would_align = false;
    for (const SpfAuth& auth : record_.spf) {
      if (auth.scope == SpfScope::kHelo || !auth.domain || auth.domain->empty()) continue;
      const bool pass = auth.result == AuthResult::kPass;
      any |= pass;
      if (published == policy_.aspf && treatment_ != Treatment::kSpfAuthorized) continue;
      const bool aligns = Aligns(policy_.aspf, record_.header_from, *auth.domain, suffixes_);
      aligned |= pass && aligns;
      would_align |= aligns;
    }
    MechanismVerdict verdict =
        InMode(record_.spf_aligned == AlignedResult::kPass, published, policy_.aspf, any, aligned);
    if (treatment_ == Treatment::kSpfAuthorized && would_align) verdict = {true, false};
    return verdict;
  }

 private:
  const AggregateRecord& record_;
  const PublishedPolicy& published_;
  const WhatIfPolicy& policy_;
  const Treatment treatment_;
  const PublicSuffixList& suffixes_;
};

// Sums by a key that strangers choose.
class KeyedRows {
 public:
  // `take`: whether one more key has a place of its own, by the trust of the row that names it
  // first.
  explicit KeyedRows(std::function<bool(size_t trust)> take, std::string_view overflow)
      : take_(std::move(take)), overflow_(overflow) {}

  void Add(std::string_view key, size_t trust, const WhatIfCounts& counts) {
    auto it = rows_.find(key);
    if (it == rows_.end()) {
      if (!take_(trust)) key = overflow_;
      it = rows_.try_emplace(std::string(key)).first;
    }
    it->second.counts.Add(counts);
    it->second.by_trust[trust].Add(counts);
  }
  std::vector<WhatIfRow> Sorted() {
    std::vector<WhatIfRow> out;
    out.reserve(rows_.size());
    for (auto& [key, row] : rows_) {
      row.key = key;
      out.push_back(std::move(row));
    }
    std::ranges::sort(out, [](const WhatIfRow& a, const WhatIfRow& b) {
      const int64_t refused_a = SaturatingAdd(a.counts.quarantined, a.counts.rejected);
      const int64_t refused_b = SaturatingAdd(b.counts.quarantined, b.counts.rejected);
      if (refused_a != refused_b) return refused_a > refused_b;
      if (a.counts.messages != b.counts.messages) return a.counts.messages > b.counts.messages;
      return a.key < b.key;
    });
    return out;
  }

 private:
  std::function<bool(size_t trust)> take_;
  const std::string_view overflow_;
  StringMap<WhatIfRow> rows_;
};

}  // namespace

void WhatIfCounts::Add(const WhatIfCounts& other) {
  const auto add = [](int64_t& sum, int64_t more) { sum = SaturatingAdd(sum, more); };
  add(messages, other.messages);
  add(passed, other.passed);
  add(quarantined_then, other.quarantined_then);
  add(rejected_then, other.rejected_then);
  add(would_pass, other.would_pass);
  add(quarantined, other.quarantined);
  add(rejected, other.rejected);
  add(newly_refused, other.newly_refused);
  add(newly_delivered, other.newly_delivered);
  add(excused, other.excused);
  add(assumed, other.assumed);
}

DmarcPolicy AskedFor(std::string_view author, std::string_view domain, const WhatIf& what_if) {
  const WhatIfPolicy& policy = what_if.policy;
  DmarcPolicy asked = policy.p;
  if (author != domain) {
    asked = policy.sp.value_or(policy.p);
    if (what_if.missing_names.contains(author)) asked = policy.np.value_or(asked);
  }
  if (!policy.testing || asked == DmarcPolicy::kNone) return asked;
  return asked == DmarcPolicy::kReject ? DmarcPolicy::kQuarantine : DmarcPolicy::kNone;
}

WhatIfCounts Judge(const RowCase& row) {
  const int64_t messages = row.messages;
  WhatIfCounts out{.messages = messages};
  const MechanismVerdict &dkim = row.dkim, &spf = row.spf;
  const bool pass = dkim.pass || spf.pass;
  // Assumed only where the outcome hangs on it.
  if (pass && !(dkim.pass && !dkim.assumed) && !(spf.pass && !spf.assumed)) out.assumed = messages;
  const bool refused_then =
      row.disposition == Disposition::kQuarantine || row.disposition == Disposition::kReject;
  const bool refused = !pass && row.asked != DmarcPolicy::kNone;

  if (row.passed) out.passed = messages;
  if (row.disposition == Disposition::kQuarantine) out.quarantined_then = messages;
  if (row.disposition == Disposition::kReject) out.rejected_then = messages;
  if (pass) out.would_pass = messages;
  if (refused) (row.asked == DmarcPolicy::kReject ? out.rejected : out.quarantined) = messages;
  if (refused && !refused_then) out.newly_refused = messages;
  if (!refused && refused_then) out.newly_delivered = messages;
  if (refused && row.excused) out.excused = messages;
  return out;
}

WhatIfCounts Evaluate(const AggregateRecord& record, const PublishedPolicy& published,
                      std::string_view domain, std::string_view source_id, const WhatIf& what_if,
                      const PublicSuffixList& suffixes) {
  const auto it = what_if.treatments.find(source_id);
  const Treatment treatment = it == what_if.treatments.end() ? Treatment::kAsItIs : it->second;
  const RowReading row(record, published, what_if, treatment, suffixes);
  return Judge({.messages = MessagesOf(record),
                .disposition = record.disposition,
                .passed = record.dmarc_pass(),
                .excused = std::ranges::any_of(record.reasons, Excuses, &OverrideReason::type),
                .dkim = row.Dkim(),
                .spf = row.Spf(),
                .asked = AskedFor(record.header_from, domain, what_if)});
}

struct WhatIfBuilder::Impl {
  std::string domain;
  DayRange range;
  const Catalogue& catalogue;
  const PublicSuffixList& suffixes;
  const WhatIf& what_if;
  const NetworkEvidence* network;
  const Regrouping* regrouping;
  WhatIfResult out;
  KeyedRows sources{[places = SourcePlaces()](size_t trust) mutable {
                      return places.Take(IsBelieved(static_cast<TrustClass>(trust)));
                    },
                    kOverflowSourceId};
  KeyedRows reporters{[taken = size_t{0}](size_t) mutable {
                        if (taken == kMaxKeys) return false;
                        ++taken;
                        return true;
                      },
                      kOverflowKey};
};

WhatIfBuilder::WhatIfBuilder(std::string_view domain, const DayRange& range,
                             const Catalogue& catalogue, const PublicSuffixList& suffixes,
                             const WhatIf& what_if, const NetworkEvidence* network,
                             const Regrouping* regrouping)
    : impl_(new Impl{std::string(domain), range, catalogue, suffixes, what_if, network,
                     regrouping}) {}
WhatIfBuilder::~WhatIfBuilder() = default;

void WhatIfBuilder::Add(const StoredReport& report) {
  Impl& impl = *impl_;
  const DayNumber day = report.key.day;
  if (day < impl.range.first || day > impl.range.last || !IsCounted(report.trust)) return;
  const std::string& name = report.report.metadata.org_name;
  const std::string& reporter = name.empty() ? report.reporter_key : name;
  const auto trust = static_cast<size_t>(report.trust) % kTrustClasses;
  for (const AggregateRecord& record : report.report.records) {
    if (MessagesOf(record) == 0) continue;
    Attribution source = Attribute(record, impl.domain, impl.catalogue, impl.network);
    Regroup(record, impl.catalogue, impl.regrouping, &source);
    const WhatIfCounts counts = Evaluate(record, report.report.policy, impl.domain,
                                         source.source_id, impl.what_if, impl.suffixes);
    impl.out.total.Add(counts);
    impl.out.by_trust[trust].Add(counts);
    impl.sources.Add(source.source_id, trust, counts);
    impl.reporters.Add(reporter, trust, counts);
  }
}

WhatIfResult WhatIfBuilder::Finish() {
  impl_->out.sources = impl_->sources.Sorted();
  impl_->out.reporters = impl_->reporters.Sorted();
  return std::move(impl_->out);
}

}  // namespace dmarcate
