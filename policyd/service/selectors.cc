#include "policyd/service/selectors.h"

#include <algorithm>

#include "policyd/service/convert.h"

namespace dmarcate {
namespace {

void AddReported(const DomainStatistics& statistics, std::vector<std::string>* selectors) {
  for (const std::string& selector : statistics.selectors) {
    if (selectors->size() >= kMaxSelectors) return;
    if (IsSelector(selector) && std::ranges::find(*selectors, selector) == selectors->end()) {
      selectors->push_back(selector);
    }
  }
}

}  // namespace

bool IsSelector(const std::string& text) {
  const auto name = DomainName::Parse(text);
  return name.ok() && !name->IsRoot();
}

std::vector<std::string> WithReportedSelectors(const DomainStatistics& statistics,
                                               std::vector<std::string> named) {
  AddReported(statistics, &named);
  return named;
}

std::vector<std::string> SelectorMemory::Get(const std::string& domain) {
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
  if (statistics.ok()) {
    known = {{}, clock_.Monotonic()};
    AddReported(**statistics, &known.selectors);
  }
  return known.selectors;
}

void SelectorMemory::Stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (Call* call : reading_) call->Cancel();
}

}  // namespace dmarcate
