// cli/server.h
// dmarcate server: the daemons themselves.

#ifndef DMARCATE_CLI_SERVER_H_
#define DMARCATE_CLI_SERVER_H_

#include "cli/app.h"

namespace dmarcate::cli {

// Adds itself to `root`.
void AddServer(CLI::App* root, App* app);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_SERVER_H_
