#include "lib/mailauth/lint.h"

#include <algorithm>

namespace dmarcate {

std::string_view ToString(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "info";
}

Severity WorstSeverity(const std::vector<LintFinding>& findings) {
  Severity worst = Severity::kInfo;
  for (const LintFinding& finding : findings) worst = std::max(worst, finding.severity);
  return worst;
}

}  // namespace dmarcate
