#include "policyd/analysis/selector_tally.h"

#include <algorithm>
#include <cstdint>

#include "policyd/analysis/counts.h"

namespace dmarcate {
namespace {

enum class Told : uint8_t { kNothing, kFailed, kPassed };  // the better, the later

Told ToldBy(AuthResult result) {
  if (result == AuthResult::kPass) return Told::kPassed;
  return result == AuthResult::kFail || result == AuthResult::kPermerror ? Told::kFailed
                                                                         : Told::kNothing;
}

}  // namespace

void SelectorTally::Add(const AggregateRecord& record, std::string_view domain, int64_t messages) {
  const size_t signatures = std::min(record.dkim.size(), kMaxSignaturesTallied);
  if (signatures < record.dkim.size()) complete_ = false;
  const auto same = [&record, domain](size_t i, std::string_view selector) {
    const DkimAuth& auth = record.dkim[i];
    return auth.selector.has_value() && *auth.selector == selector &&
           EqualsIgnoreCase(auth.domain, domain);
  };
  for (size_t i = 0; i < signatures; ++i) {
    if (!record.dkim[i].selector.has_value()) continue;
    const std::string_view selector = *record.dkim[i].selector;
    if (selector.empty() || !same(i, selector)) continue;
    bool counted = false;
    for (size_t j = 0; j < i && !counted; ++j) counted = same(j, selector);
    if (counted) continue;
    Told best = Told::kNothing;
    for (size_t j = i; j < signatures; ++j) {
      if (same(j, selector)) best = std::max(best, ToldBy(record.dkim[j].result));
    }
    auto it = counts_.find(selector);
    if (it == counts_.end()) {
      if (counts_.size() >= kMaxSelectorsTallied) {
        complete_ = false;
        continue;
      }
      it = counts_.try_emplace(std::string(selector)).first;
    }
    SelectorCounts& counts = it->second;
    counts.messages = SaturatingAdd(counts.messages, messages);
    if (best == Told::kPassed) counts.passed = SaturatingAdd(counts.passed, messages);
    if (best == Told::kFailed) counts.failed = SaturatingAdd(counts.failed, messages);
  }
}

std::optional<SelectorCounts> SelectorTally::Find(std::string_view selector) const {
  SelectorCounts sum;
  bool found = false;
  for (const auto& [name, counts] : counts_) {
    if (!EqualsIgnoreCase(name, selector)) continue;
    found = true;
    sum.messages = SaturatingAdd(sum.messages, counts.messages);
    sum.passed = SaturatingAdd(sum.passed, counts.passed);
    sum.failed = SaturatingAdd(sum.failed, counts.failed);
  }
  if (!found && !complete_) return std::nullopt;
  return sum;
}

size_t SelectorTally::MemoryBytes() const {
  size_t bytes = sizeof(*this);
  for (const auto& [name, counts] : counts_) bytes += name.capacity() + sizeof(counts) + 64;
  return bytes;
}

}  // namespace dmarcate
