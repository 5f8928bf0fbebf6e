// cli/purge.h
// dmarcate reports purge.

#ifndef DMARCATE_CLI_PURGE_H_
#define DMARCATE_CLI_PURGE_H_

#include "cli/app.h"

namespace dmarcate::cli {

// Adds itself to `reports`.
void AddPurge(CLI::App* reports, App* app);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_PURGE_H_
