#include "policyd/service/selectors.h"

#include <algorithm>

#include "policyd/service/convert.h"

namespace dmarcate {

bool IsSelector(const std::string& text) {
  const auto name = DomainName::Parse(text);
  return name.ok() && !name->IsRoot();
}

std::vector<std::string> WithReportedSelectors(AnalysisCache& analysis, const Clock& clock,
                                               const Call& call, const std::string& domain,
                                               std::vector<std::string> named) {
  const auto statistics = analysis.Get(call, domain, DefaultRange(clock));
  if (!statistics.ok()) return named;
  for (const std::string& selector : (*statistics)->selectors) {
    if (named.size() >= kMaxSelectors) break;
    if (IsSelector(selector) && std::ranges::find(named, selector) == named.end()) {
      named.push_back(selector);
    }
  }
  return named;
}

}  // namespace dmarcate
