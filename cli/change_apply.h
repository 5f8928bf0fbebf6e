// cli/change_apply.h
// What moves a change: apply, watch, rollback, cancel.

#ifndef DMARCATE_CLI_CHANGE_APPLY_H_
#define DMARCATE_CLI_CHANGE_APPLY_H_

#include "cli/app.h"
#include "dmarcate/v1/change.pb.h"

namespace dmarcate::cli {

void AddChangeApply(CLI::App* group, App* app);

// A change as the result of a command, in the format that was asked for.
void ShowChange(const App& app, const v1::Change& change);
// The same of a plan that is not kept.
void ShowPlan(const App& app, const v1::Change& change);
int ExitCodeFor(const v1::Change& change);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_CHANGE_APPLY_H_
