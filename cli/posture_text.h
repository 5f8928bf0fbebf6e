// cli/posture_text.h
// The posture of a domain as text, the same for `records show` (from policyd) and `check`
// (offline).

#ifndef DMARCATE_CLI_POSTURE_TEXT_H_
#define DMARCATE_CLI_POSTURE_TEXT_H_

#include <string>

#include "cli/output.h"
#include "dmarcate/v1/record.pb.h"

namespace dmarcate::cli {

std::string VerdictText(v1::Verdict verdict);  // "pass"
// Findings with their fixes, indented, to stand below what they are about.
void AddFindings(const google::protobuf::RepeatedPtrField<v1::LintFinding>& findings,
                 std::string* out);

// Records with verdict, findings and every server's view, for people.
std::string PostureText(const v1::InspectRecordsResponse& response);
// The policy and the mail servers, each with its verdict, reason and fix; empty if nobody asked.
std::string InboundText(const v1::InspectRecordsResponse& response);
// One row a record, then one for the policy and each mail server; for csv and name.
Table PostureTable(const v1::InspectRecordsResponse& response);
// Drift, with both texts, since when and what to do; empty if there is none.
std::string DriftText(const v1::InspectRecordsResponse& response);
// One row a finding; OCTET is where in the text, from 0, and empty for the whole of it.
Table FindingsTable(const google::protobuf::RepeatedPtrField<v1::LintFinding>& findings);
// The tree drawn as a tree, with the cost of each branch.
std::string SpfTreeText(const v1::SpfTree& tree);
// 0 if no record and no mail server fails, 3 if one does, 8 if one is unknown and none fails.
int PostureExitCode(const v1::InspectRecordsResponse& response);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_POSTURE_TEXT_H_
