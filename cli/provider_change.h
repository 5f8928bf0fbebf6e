// cli/provider_change.h
// dmarcate providers set and remove.

#ifndef DMARCATE_CLI_PROVIDER_CHANGE_H_
#define DMARCATE_CLI_PROVIDER_CHANGE_H_

#include "cli/app.h"

namespace dmarcate::cli {

void AddProviderChange(CLI::App* providers, App* app);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_PROVIDER_CHANGE_H_
