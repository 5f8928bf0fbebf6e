// cli/dkim_text.h
// DKIM keys by selector: what is published, and what reports say of signatures with it.

#ifndef DMARCATE_CLI_DKIM_TEXT_H_
#define DMARCATE_CLI_DKIM_TEXT_H_

#include <string>

#include "cli/output.h"
#include "dmarcate/v1/record.pb.h"

namespace dmarcate::cli {

// One row a selector.
Table DkimTable(const v1::InspectRecordsResponse& response);
// What is wrong with each key, with the fix; empty if nothing is.
std::string DkimFindingsText(const v1::InspectRecordsResponse& response);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_DKIM_TEXT_H_
