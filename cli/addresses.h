// cli/addresses.h
// dmarcate domains address: the report addresses of a domain.

#ifndef DMARCATE_CLI_ADDRESSES_H_
#define DMARCATE_CLI_ADDRESSES_H_

#include "cli/app.h"
#include "dmarcate/v1/domain.pb.h"

namespace dmarcate::cli {

// `domains`: the group to which it belongs.
void AddAddresses(CLI::App* domains, App* app);

// Tells of an address of `domain` that ingestd cannot know of yet.
void NoteUnpublished(const App& app, const v1::Domain& domain);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_ADDRESSES_H_
