// cli/catalogue_text.h
// Mail services of the catalogue as a table, and one as text.

#ifndef DMARCATE_CLI_CATALOGUE_TEXT_H_
#define DMARCATE_CLI_CATALOGUE_TEXT_H_

#include <string>

#include "cli/output.h"
#include "dmarcate/v1/catalogue.pb.h"

namespace dmarcate::cli {

Table MailServiceTable(const google::protobuf::RepeatedPtrField<v1::MailService>& services);
std::string MailServiceText(const v1::MailService& service);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_CATALOGUE_TEXT_H_
