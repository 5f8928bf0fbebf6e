// cli/fleet.h
// dmarcate fleet: the same change of many domains, planned, applied and watched as one.

#ifndef DMARCATE_CLI_FLEET_H_
#define DMARCATE_CLI_FLEET_H_

#include "cli/app.h"

namespace dmarcate::cli {

void AddFleet(CLI::App* root, App* app);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_FLEET_H_
