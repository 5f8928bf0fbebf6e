// lib/inspect/posture_judge.h
// From findings to one verdict, one reason and one fix. Internal to InspectDomain.

#ifndef DMARCATE_LIB_INSPECT_POSTURE_JUDGE_H_
#define DMARCATE_LIB_INSPECT_POSTURE_JUDGE_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/inspect/posture.h"

namespace dmarcate {

LintFinding MakeFinding(std::string_view code, Severity severity, std::string_view path,
                        std::string message, std::string fix_hint, std::string rfc_section);

// Findings that any record can have: bogus, servers that disagree or are silent, an alias.
std::vector<LintFinding> LintView(const RecordView& view, std::string_view path);

// Concludes from `judgement.findings`; with none of weight, `good` is the reason of a pass. A
// failed resolver look-up leaves kUnknown, unless DNSSEC says bogus: then receivers see nothing
// either.
void Conclude(const RecordView& view, std::string good, Judgement& judgement);

Verdict Worse(Verdict a, Verdict b);  // fail, unknown, warn, pass

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INSPECT_POSTURE_JUDGE_H_
