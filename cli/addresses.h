// cli/addresses.h
// dmarcate domains address: the report addresses of a domain.

#ifndef DMARCATE_CLI_ADDRESSES_H_
#define DMARCATE_CLI_ADDRESSES_H_

#include "cli/app.h"

namespace dmarcate::cli {

// `domains`: the group to which it belongs.
void AddAddresses(CLI::App* domains, App* app);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_ADDRESSES_H_
