// cli/change_text.h
// Changes as text: the diff term by term with look-ups before and after, and how far one has come.

#ifndef DMARCATE_CLI_CHANGE_TEXT_H_
#define DMARCATE_CLI_CHANGE_TEXT_H_

#include <string>
#include <vector>

#include "cli/output.h"
#include "dmarcate/v1/change.pb.h"

namespace dmarcate::cli {

std::string StateText(v1::Change::State state);  // "planned"
Table ChangeTable(const google::protobuf::RepeatedPtrField<v1::Change>& changes);
Table OneChange(const v1::Change& change);

// Records, guards that do not pass, steps, servers, and what is to be known of a plan. Text from
// outside is escaped.
std::string ChangeText(const v1::Change& change);
// The same of a plan that is not kept: without the name and the time, which nobody could use.
std::string PlanText(const v1::Change& change);
// What to do about a plan that guards refuse, by their codes; DOMAIN stands for its domain.
std::vector<std::string> StepsAfterRefusal(const v1::Change& change);
// What happened, without the records themselves.
std::string ProgressText(const v1::Change& change);

// What a person has to set, as the fields of a form and as lines of a zone file; empty where a
// program writes, and of a change that has ended.
std::string ManualText(const v1::Change& change);
// Whether it goes on only when somebody has set the records.
bool WaitsForPerson(const v1::Change& change);

// The steps that are done, a line each, in the words of people: "[x] read back  example.com  +0.4
// s", with the time since the first of them. Steps are only ever added, so who has shown some shows
// the rest.
std::vector<std::string> StepMarks(const v1::Change& change);
// "[ ] verify  3 of 4 servers"; empty unless it is being verified.
std::string VerifyMark(const v1::Change& change);

// Whether anything that is there now goes away: then the question is a serious one.
bool Removes(const v1::Change& change);
// Whether what it would write is not there yet; a refused plan counts.
bool Differs(const v1::Change& change);
// Whether policyd is at work on it.
bool IsRunning(const v1::Change& change);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_CHANGE_TEXT_H_
