// policyd/analysis/row_facts.h
// By what the sums over compact rows are kept apart until they become Counts. Pure.

#ifndef DMARCATE_POLICYD_ANALYSIS_ROW_FACTS_H_
#define DMARCATE_POLICYD_ANALYSIS_ROW_FACTS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "policyd/analysis/counts.h"
#include "policyd/analysis/day_rows.h"
#include "policyd/analysis/row_names.h"

namespace dmarcate {

// All that Counts are made of: four facts, and four things that may become of a row.
inline constexpr size_t kFactClasses = 64;

template <typename Sum>  // RowSum, AnchorSum
size_t FactClassOf(const Sum& sum) {
  return static_cast<size_t>(sum.became << 4 | sum.facts);
}
inline size_t FactClassOf(const RowShape& shape) {
  return static_cast<size_t>(BecameOf(static_cast<Disposition>(shape.disposition)) << 4 |
                             shape.dkim_aligned << 3 | shape.spf_aligned << 2 |
                             shape.dkim_pass << 1 | shape.spf_pass);
}

inline Counts CountsOf(size_t fact_class, int64_t messages) {
  constexpr std::array kBecomes = {Disposition::kNone, Disposition::kQuarantine,
                                   Disposition::kReject, Disposition::kUnspecified};
  return RowFacts((fact_class >> 3 & 1) != 0, (fact_class >> 2 & 1) != 0,
                  (fact_class >> 1 & 1) != 0, (fact_class & 1) != 0, kBecomes[fact_class >> 4])
      .Of(messages);
}

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_ROW_FACTS_H_
