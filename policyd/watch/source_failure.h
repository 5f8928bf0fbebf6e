// Whether the mail of a source fails DMARC, by whose word, and how grave that is. Pure.
//
//   error    two anchors or more say so together, or reports that were handed in
//   warning  the same, when one anchor is left out: one that is compromised could drown in good
//   mail
//            what the others see
//   info     one anchor says so, or only reporters that are no anchors

#ifndef DMARCATE_POLICYD_WATCH_SOURCE_FAILURE_H_
#define DMARCATE_POLICYD_WATCH_SOURCE_FAILURE_H_

#include <optional>
#include <string>
#include <vector>

#include "lib/mailauth/lint.h"
#include "policyd/analysis/health.h"
#include "policyd/analysis/statistics.h"

namespace dmarcate {

struct SourceFailure {
  Rate rate;  // of messages that pass, by whose word it is
  Severity severity = Severity::kError;
  std::string remark;  // whose that is; begins with "; ", or is empty
};

// Nothing: it passes. `open`: it is told already, and another bar holds for its end. `reporters`:
// those of the statistics that `source` is from.
std::optional<SourceFailure> FailureOf(const SourceStatistics& source,
                                       const std::vector<std::string>& reporters, bool open);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_WATCH_SOURCE_FAILURE_H_
