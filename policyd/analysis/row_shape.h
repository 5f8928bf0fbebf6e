// policyd/analysis/row_shape.h
// What matters of a row, as a RowShape. Pure.

#ifndef DMARCATE_POLICYD_ANALYSIS_ROW_SHAPE_H_
#define DMARCATE_POLICYD_ANALYSIS_ROW_SHAPE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"

#include "lib/mailauth/alignment.h"
#include "lib/report/model.h"
#include "policyd/analysis/attribution.h"
#include "policyd/analysis/row_names.h"

namespace dmarcate {

// Remembers which names are aligned. Not thread-safe.
class RowShaper {
 public:
  // All outlive this. `names` are those of `domain`.
  RowShaper(std::string_view domain, const PublicSuffixList& suffixes, RowNames* names)
      : domain_(domain), suffixes_(suffixes), names_(*names) {}

  RowShape ShapeOf(const AggregateRecord& record, const PublishedPolicy& published,
                   const Attribution& attribution);

 private:
  // By relaxed rules. As what_if.cc has it: names that are no host names align with themselves.
  bool AlignsRelaxed(const std::string& author, const std::string& identifier);
  uint32_t SelectorsOf(const AggregateRecord& record, std::string_view one);

  const std::string_view domain_;
  const PublicSuffixList& suffixes_;
  RowNames& names_;
  absl::flat_hash_map<std::pair<std::string, std::string>, bool> aligned_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_ROW_SHAPE_H_
