// policyd/analysis/selector_tally.h
// Messages by the selector that they are signed with, for one Signing Domain Identifier. Anybody
// can write a signature that fails: what fails says nothing about who sent it.

#ifndef DMARCATE_POLICYD_ANALYSIS_SELECTOR_TALLY_H_
#define DMARCATE_POLICYD_ANALYSIS_SELECTOR_TALLY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/text.h"
#include "lib/report/model.h"

namespace dmarcate {

inline constexpr size_t kMaxSelectorsTallied = 1'000;
inline constexpr size_t kMaxSignaturesTallied = 16;  // of one row; no mail has more

struct SelectorCounts {
  int64_t messages = 0;
  int64_t passed = 0;
  int64_t failed = 0;  // "fail" and "permerror"; what is neither, reporters could not tell
  friend bool operator==(const SelectorCounts&, const SelectorCounts&) = default;
};

class SelectorTally {
 public:
  // A message with several signatures of one selector counts once, by the best of them.
  void Add(const AggregateRecord& record, std::string_view domain, int64_t messages);
  // In any case of letters. nullopt: not known, since there were more selectors than are kept.
  std::optional<SelectorCounts> Find(std::string_view selector) const;
  size_t MemoryBytes() const;

 private:
  StringMap<SelectorCounts> counts_;  // as reporters wrote the selector
  bool complete_ = true;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_SELECTOR_TALLY_H_
