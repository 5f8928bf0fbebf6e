// cli/history_text.h
// The history of records as text: name by name, newest first, each entry with what it changed.

#ifndef DMARCATE_CLI_HISTORY_TEXT_H_
#define DMARCATE_CLI_HISTORY_TEXT_H_

#include <string>

#include "cli/output.h"
#include "dmarcate/v1/record.pb.h"

namespace dmarcate::cli {

// For people: "+" and "-" before values that came and went.
std::string HistoryText(const v1::ListRecordHistoryResponse& response);
// One row an entry.
Table HistoryTable(const v1::ListRecordHistoryResponse& response);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_HISTORY_TEXT_H_
