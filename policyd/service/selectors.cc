#include "policyd/service/selectors.h"

#include <algorithm>
#include <utility>

#include "policyd/service/convert.h"

namespace dmarcate {

bool IsSelector(const std::string& text) {
  const auto name = DomainName::Parse(text);
  return name.ok() && !name->IsRoot();
}

Selectors ReportedSelectors(const DomainStatistics& statistics, std::vector<std::string> named) {
  Selectors out{.names = std::move(named), .all = statistics.selectors_known};
  bool any = false;
  for (const std::string& selector : statistics.selectors) {
    if (!IsSelector(selector)) continue;
    any = true;
    if (std::ranges::find(out.names, selector) != out.names.end()) continue;
    if (out.names.size() >= kMaxSelectors) {
      out.all = false;
      break;
    }
    out.names.push_back(selector);
  }
  out.all = out.all && any;
  return out;
}

Selectors SelectorMemory::Get(const std::string& domain) {
  Call call({.name = "watch"}, clock_.Now() + kReadLimit);
  {
    const std::lock_guard lock(mutex_);
    const Known& known = known_[domain];
    if (stopping_ || clock_.Monotonic() - known.read < kFor) return known.selectors;
    reading_.insert(&call);
  }
  const auto statistics =
      analysis_.Get(call, domain, DefaultRange(clock_), /*source=*/{}, KeepResult::kNo);
  const std::lock_guard lock(mutex_);
  reading_.erase(&call);
  Known& known = known_[domain];
  if (!statistics.ok()) return {.names = known.selectors.names, .all = false};
  known = {ReportedSelectors(**statistics), clock_.Monotonic()};
  return known.selectors;
}

void SelectorMemory::Stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (Call* call : reading_) call->Cancel();
}

}  // namespace dmarcate
