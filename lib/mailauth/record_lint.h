// lib/mailauth/record_lint.h
// Findings about a text of which nobody said what it is: its version tag tells. Pure.

#ifndef DMARCATE_LIB_MAILAUTH_RECORD_LINT_H_
#define DMARCATE_LIB_MAILAUTH_RECORD_LINT_H_

#include <optional>
#include <string_view>
#include <vector>

#include "lib/mailauth/lint.h"

namespace dmarcate {

// An SPF, DMARC, DKIM, MTA-STS, TLS-RPT or BIMI record, an MTA-STS policy, or TLSA records in their
// presentation, one on each line: several are all that a server has, one alone is one of them. A
// version in the wrong case is still meant as one, and said to be wrong. What does not parse is one
// finding, a syntax error with its position. Positions are in `text`. nullopt for anything else.
std::optional<std::vector<LintFinding>> LintRecordText(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_RECORD_LINT_H_
