// SumWhatIf(): each shape of row is judged once, and each cell counts for what its shape came to.

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "policyd/analysis/counts.h"
#include "policyd/analysis/row_slots.h"
#include "policyd/analysis/row_sums.h"
#include "policyd/analysis/what_if_rules.h"

namespace dmarcate {
namespace {

constexpr size_t kTreatments = 4;
// More outcomes for reporters than this are not summed here.
constexpr size_t kMaxReporterSums = 4 << 20;

constexpr int64_t WhatIfCounts::* kFields[] = {
    &WhatIfCounts::messages,      &WhatIfCounts::passed,        &WhatIfCounts::quarantined_then,
    &WhatIfCounts::rejected_then, &WhatIfCounts::would_pass,    &WhatIfCounts::quarantined,
    &WhatIfCounts::rejected,      &WhatIfCounts::newly_refused, &WhatIfCounts::newly_delivered,
    &WhatIfCounts::excused,       &WhatIfCounts::assumed};

DmarcAlignmentMode ModeOf(bool strict) {
  return strict ? DmarcAlignmentMode::kStrict : DmarcAlignmentMode::kRelaxed;
}

// One message of the shape.
WhatIfCounts JudgeShape(const RowShape& shape, const RowNames& names, std::string_view domain,
                        const WhatIf& what_if, Treatment treatment) {
  RowCase row{.messages = 1,
              .disposition = static_cast<Disposition>(shape.disposition),
              .passed = shape.dkim_aligned || shape.spf_aligned,
              .asked = AskedFor(names.text(shape.header_from), domain, what_if)};
  for (unsigned type = 0; type < kReasonTypes; ++type) {
    row.excused |= (shape.overrides >> type & 1) != 0 && Excuses(static_cast<ReasonType>(type));
  }
  const bool strict_dkim = what_if.policy.adkim == DmarcAlignmentMode::kStrict;
  const bool strict_spf = what_if.policy.aspf == DmarcAlignmentMode::kStrict;
  if (treatment == Treatment::kSigned) {
    row.dkim.pass = true;
  } else {
    row.dkim = InMode(shape.dkim_aligned, ModeOf(shape.published_strict_dkim), what_if.policy.adkim,
                      shape.dkim_any, strict_dkim ? shape.dkim_strict : shape.dkim_relaxed);
  }
  if (treatment == Treatment::kSpfWithdrawn) {
    row.spf.pass = false;
  } else if (treatment == Treatment::kSpfAuthorized &&
             (strict_spf ? shape.spf_would_strict : shape.spf_would_relaxed)) {
    row.spf.pass = true;
  } else {
    row.spf = InMode(shape.spf_aligned, ModeOf(shape.published_strict_spf), what_if.policy.aspf,
                     shape.spf_any, strict_spf ? shape.spf_strict : shape.spf_relaxed);
  }
  return Judge(row);
}

// The different things that may become of a message, few, and which one becomes of each shape.
class Outcomes {
 public:
  Outcomes(const RowDays& rows, const WhatIf& what_if) {
    std::array<bool, kTreatments> used{true};
    for (const auto& [id, treatment] : what_if.treatments) {
      used[static_cast<size_t>(treatment)] = true;
    }
    by_shape_.resize(rows.names.shapes() * kTreatments);
    absl::flat_hash_map<uint32_t, uint16_t> numbers;
    for (uint32_t shape = 0; shape < rows.names.shapes(); ++shape) {
      for (size_t treatment = 0; treatment < kTreatments; ++treatment) {
        if (!used[treatment]) continue;
        const WhatIfCounts one = JudgeShape(rows.names.shape(shape), rows.names, rows.domain,
                                            what_if, static_cast<Treatment>(treatment));
        uint32_t bits = 0;
        for (const auto field : kFields) bits = bits << 1 | static_cast<uint32_t>(one.*field);
        const auto [it, inserted] =
            numbers.try_emplace(bits, static_cast<uint16_t>(outcomes_.size()));
        if (inserted) outcomes_.push_back(one);
        by_shape_[shape * kTreatments + treatment] = it->second;
      }
    }
  }
  uint16_t Of(uint32_t shape, Treatment treatment) const {
    return by_shape_[shape * kTreatments + static_cast<size_t>(treatment)];
  }
  size_t size() const { return outcomes_.size(); }
  bool refuses(uint16_t outcome) const {
    return outcomes_[outcome].quarantined + outcomes_[outcome].rejected > 0;
  }
  WhatIfCounts Times(uint16_t outcome, int64_t messages) const {
    WhatIfCounts out;
    for (const auto field : kFields) out.*field = outcomes_[outcome].*field * messages;
    return out;
  }

 private:
  std::vector<WhatIfCounts> outcomes_;  // of one message
  std::vector<uint16_t> by_shape_;
};

// Messages by key, trust class and outcome.
class OutcomeSums {
 public:
  OutcomeSums(const Outcomes& outcomes, size_t keys)
      : outcomes_(outcomes), sums_(keys * kTrustClasses * outcomes.size()) {}
  void Add(size_t key, size_t trust, uint16_t outcome, int64_t messages) {
    int64_t& sum = sums_[(key * kTrustClasses + trust) * outcomes_.size() + outcome];
    sum = SaturatingAdd(sum, messages);
  }
  WhatIfRow Of(size_t key) const {
    WhatIfRow row;
    for (size_t trust = 0; trust < kTrustClasses; ++trust) {
      for (uint16_t outcome = 0; outcome < outcomes_.size(); ++outcome) {
        const int64_t messages = sums_[(key * kTrustClasses + trust) * outcomes_.size() + outcome];
        if (messages == 0) continue;
        const WhatIfCounts counts = outcomes_.Times(outcome, messages);
        row.counts.Add(counts);
        row.by_trust[trust].Add(counts);
      }
    }
    return row;
  }

 private:
  const Outcomes& outcomes_;
  std::vector<int64_t> sums_;
};

struct Ranked {
  int64_t refused = 0, messages = 0;
};

}  // namespace

std::optional<WhatIfPage> SumWhatIf(const RowDays& rows, const WhatIf& what_if, size_t limit) {
  const Outcomes outcomes(rows, what_if);
  const size_t reporters = rows.names.reporters();
  if (reporters * kTrustClasses * outcomes.size() > kMaxReporterSums) return std::nullopt;
  std::vector<Treatment> treatments(rows.names.sources(), Treatment::kAsItIs);
  for (const auto& [id, treatment] : what_if.treatments) {
    if (const auto source = rows.names.FindSource(id)) treatments[*source] = treatment;
  }

  OutcomeSums by_reporter(outcomes, reporters);
  std::vector<Ranked> by_slot(RowSlots::MostOf(rows));
  const RowSlots slots(rows, [&](uint32_t slot, const DaySource& source, const DayRows& day,
                                 const RowSlots::Begin& begin) {
    Ranked& sum = by_slot[slot];
    sum.messages = SaturatingAdd(sum.messages, source.messages);
    const Treatment treatment = treatments[source.source];
    for (uint32_t cell = begin.cell; cell < source.cells_end; ++cell) {
      const RowCell& row = day.cells[cell];
      const int64_t messages = day.MessagesOf(row);
      const uint16_t outcome = outcomes.Of(row.shape, treatment);
      if (outcomes.refuses(outcome)) sum.refused = SaturatingAdd(sum.refused, messages);
      by_reporter.Add(row.reporter, row.trust, outcome, messages);
    }
  });

  WhatIfPage page;
  std::vector<WhatIfRow> spoke;  // by reporter
  for (uint32_t reporter = 0; reporter < reporters; ++reporter) {
    WhatIfRow row = by_reporter.Of(reporter);
    if (row.counts.messages == 0) continue;
    row.key = rows.names.reporter(reporter);
    page.result.total.Add(row.counts);
    for (size_t trust = 0; trust < kTrustClasses; ++trust) {
      page.result.by_trust[trust].Add(row.by_trust[trust]);
    }
    spoke.push_back(std::move(row));
  }
  const auto all = [](size_t count) {
    std::vector<uint32_t> items(count);
    for (uint32_t i = 0; i < count; ++i) items[i] = i;
    return items;
  };
  const auto rank_row = [](const WhatIfRow& row) {
    return std::pair(SaturatingAdd(row.counts.quarantined, row.counts.rejected),
                     row.counts.messages);
  };
  const auto first_reporters = FirstOf(
      all(spoke.size()), limit, [&](uint32_t i) { return rank_row(spoke[i]); },
      [&](uint32_t i) { return spoke[i].key; });
  page.reporters_left_out = spoke.size() - first_reporters.size();
  for (const uint32_t i : first_reporters) page.result.reporters.push_back(std::move(spoke[i]));

  const std::vector<uint32_t> all_slots = slots.All();
  const auto first_sources = FirstOf(
      all_slots, limit,
      [&](uint32_t slot) { return std::pair(by_slot[slot].refused, by_slot[slot].messages); },
      [&](uint32_t slot) { return slots.IdOf(slot); });
  page.sources_left_out = all_slots.size() - first_sources.size();
  std::vector<uint32_t> place(slots.size(), RowSlots::kNone);
  for (uint32_t i = 0; i < first_sources.size(); ++i) place[first_sources[i]] = i;
  OutcomeSums by_source(outcomes, first_sources.size());
  RowSlots::ForEach(
      rows, [&](const DaySource& source, const DayRows& day, const RowSlots::Begin& begin) {
        const uint32_t at = place[slots.Of(source.source)];
        if (at == RowSlots::kNone) return;
        const Treatment treatment = treatments[source.source];
        for (uint32_t cell = begin.cell; cell < source.cells_end; ++cell) {
          const RowCell& row = day.cells[cell];
          by_source.Add(at, row.trust, outcomes.Of(row.shape, treatment), day.MessagesOf(row));
        }
      });
  for (uint32_t i = 0; i < first_sources.size(); ++i) {
    page.result.sources.push_back(by_source.Of(i));
    page.result.sources.back().key = slots.IdOf(first_sources[i]);
  }
  for (const DayRows* day : rows.days) {
    if (day->expired) page.expired.Add(ToCounts(*day->expired));
  }
  return page;
}

}  // namespace dmarcate
