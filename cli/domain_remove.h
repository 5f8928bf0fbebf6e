// cli/domain_remove.h
// dmarcate domains remove.

#ifndef DMARCATE_CLI_DOMAIN_REMOVE_H_
#define DMARCATE_CLI_DOMAIN_REMOVE_H_

#include "cli/app.h"

namespace dmarcate::cli {

void AddDomainRemove(CLI::App* domains, App* app);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_DOMAIN_REMOVE_H_
