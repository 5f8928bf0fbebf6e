// cli/quarantine.h
// dmarcate reports quarantine: what was received and is no report.

#ifndef DMARCATE_CLI_QUARANTINE_H_
#define DMARCATE_CLI_QUARANTINE_H_

#include "cli/app.h"

namespace dmarcate::cli {

// Adds itself to `reports`.
void AddQuarantine(CLI::App* reports, App* app);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_QUARANTINE_H_
