// lib/inspect/posture_judge.h
// From findings to one verdict, one reason and one fix. Internal to what looks at a domain.

#ifndef DMARCATE_LIB_INSPECT_POSTURE_JUDGE_H_
#define DMARCATE_LIB_INSPECT_POSTURE_JUDGE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "lib/inspect/posture.h"

namespace dmarcate {

LintFinding MakeFinding(std::string_view code, Severity severity, std::string_view path,
                        std::string message, std::string fix_hint, std::string rfc_section);

// Several records where one is allowed: "there are 2 SPF records, so <outcome>".
LintFinding MultipleFinding(std::string_view code, std::string_view path, size_t count,
                            std::string_view what, std::string_view outcome,
                            std::string rfc_section);
// A record that does not parse: "<status>, so <outcome>", with its position.
LintFinding SyntaxFinding(std::string_view code, std::string_view path, const absl::Status& status,
                          std::string_view outcome, std::string rfc_section);

// The resolver's TXT records, each joined; none if it failed.
std::vector<std::string> TextsOf(const RecordView& view);
bool DoesNotExist(const RecordView& view);  // NXDOMAIN
void Append(std::vector<LintFinding>& to, std::vector<LintFinding> from);

// Findings that any record can have: bogus, servers that disagree or are silent, an alias.
std::vector<LintFinding> LintView(const RecordView& view, std::string_view path);

// Concludes from `judgement.findings` alone: the worst decides, and with none of weight `good` is
// the reason of a pass.
void ConcludeFindings(std::string good, Judgement& judgement);
// The same for what was looked up; with none of weight, `good` is the reason of a pass. A
// failed resolver look-up leaves kUnknown, unless DNSSEC says bogus: then receivers see nothing
// either.
void Conclude(const RecordView& view, std::string good, Judgement& judgement);

Verdict Worse(Verdict a, Verdict b);  // fail, unknown, warn, pass

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INSPECT_POSTURE_JUDGE_H_
