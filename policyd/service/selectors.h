// policyd/service/selectors.h
// DKIM selectors cannot be listed in the DNS: reports name them.

#ifndef DMARCATE_POLICYD_SERVICE_SELECTORS_H_
#define DMARCATE_POLICYD_SERVICE_SELECTORS_H_

#include <cstddef>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/mailauth/domain_name.h"
#include "lib/rpc/call.h"
#include "policyd/service/analysis_cache.h"

namespace dmarcate {

inline constexpr size_t kMaxSelectors = 50;

bool IsSelector(const std::string& text);

struct Selectors {
  std::vector<std::string> names;  // each once, at most kMaxSelectors
  // Whether these are all that mail of the last 30 days passed with. Unknown is never absent: not
  // where some were left out, where reports could not be read, nor where they name none at all,
  // since then it may be reports that are missing.
  bool all = false;
};

// `named`, then those of ours that passed in the reports of `statistics`.
Selectors ReportedSelectors(const DomainStatistics& statistics,
                            std::vector<std::string> named = {});

// What reports name changes over days, and reading it takes all reports of the domain. So it is
// read once a day for each domain, and after a failure when it is asked for again. Thread-safe.
class SelectorMemory {
 public:
  static constexpr absl::Duration kFor = absl::Hours(24);

  SelectorMemory(AnalysisCache& analysis, const Clock& clock)
      : analysis_(analysis), clock_(clock) {}

  // Those of the last time, or none, if reports cannot be read now.
  Selectors Get(const std::string& domain);
  // Ends what is being read, and reads no more.
  void Stop();

 private:
  struct Known {
    Selectors selectors;
    absl::Duration read = -absl::InfiniteDuration();  // monotonic
  };

  AnalysisCache& analysis_;
  const Clock& clock_;
  std::mutex mutex_;  // guards what follows
  std::map<std::string, Known> known_;
  std::set<Call*> reading_;
  bool stopping_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_SELECTORS_H_
