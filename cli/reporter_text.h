// cli/reporter_text.h
// The ledger of reporters as tables and text.

#ifndef DMARCATE_CLI_REPORTER_TEXT_H_
#define DMARCATE_CLI_REPORTER_TEXT_H_

#include <string>

#include "cli/output.h"
#include "dmarcate/v1/reporter.pb.h"

namespace dmarcate::cli {

// One row a reporter.
Table ReporterTable(const google::protobuf::RepeatedPtrField<v1::Reporter>& reporters);
// Everything about one, for people; the findings with their meaning.
std::string ReporterText(const v1::Reporter& reporter);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_REPORTER_TEXT_H_
