// cli/removal_text.h
// What the removal of a domain would leave and take, as text. Text from outside is escaped.

#ifndef DMARCATE_CLI_REMOVAL_TEXT_H_
#define DMARCATE_CLI_REMOVAL_TEXT_H_

#include <string>

#include "cli/output.h"
#include "dmarcate/v1/domain.pb.h"

namespace dmarcate::cli {

Table LeftBehindTable(const google::protobuf::RepeatedPtrField<v1::RecordLeftBehind>& records);

// Each record with what stood there before, how to undo it first, and what goes.
std::string RemovalText(const v1::DeleteDomainResponse& removal);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_REMOVAL_TEXT_H_
