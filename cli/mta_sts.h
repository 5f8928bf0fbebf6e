// cli/mta_sts.h
// dmarcate mta-sts: the MTA-STS policy file and the record that announces it.

#ifndef DMARCATE_CLI_MTA_STS_H_
#define DMARCATE_CLI_MTA_STS_H_

#include "cli/app.h"

namespace dmarcate::cli {

void AddMtaSts(CLI::App* root, App* app);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_MTA_STS_H_
