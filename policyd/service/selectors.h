// policyd/service/selectors.h
// DKIM selectors cannot be listed in the DNS: reports name them.

#ifndef DMARCATE_POLICYD_SERVICE_SELECTORS_H_
#define DMARCATE_POLICYD_SERVICE_SELECTORS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/mailauth/domain_name.h"
#include "lib/rpc/call.h"
#include "policyd/service/analysis_cache.h"

namespace dmarcate {

inline constexpr size_t kMaxSelectors = 50;

bool IsSelector(const std::string& text);

// `named`, then those that reports of the last 30 days name, each once, at most kMaxSelectors.
// `named` alone if there are no reports to be read.
std::vector<std::string> WithReportedSelectors(AnalysisCache& analysis, const Clock& clock,
                                               const Call& call, const std::string& domain,
                                               std::vector<std::string> named);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_SELECTORS_H_
