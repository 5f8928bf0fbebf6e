// cli/provider_text.h
// Accounts at DNS hosts as text.

#ifndef DMARCATE_CLI_PROVIDER_TEXT_H_
#define DMARCATE_CLI_PROVIDER_TEXT_H_

#include <string>

#include "cli/output.h"
#include "dmarcate/v1/provider.pb.h"

namespace dmarcate::cli {

std::string ClassText(v1::ProviderClass provider_class);  // "A", or "-"
std::string TypeText(const v1::DnsProvider& provider);    // as --type takes it
Table ProviderTable(const google::protobuf::RepeatedPtrField<v1::DnsProvider>& providers);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_PROVIDER_TEXT_H_
