// cli/source_text.h
// Sources, their addresses, changes and groupings as tables, and the explanation of one as text.

#ifndef DMARCATE_CLI_SOURCE_TEXT_H_
#define DMARCATE_CLI_SOURCE_TEXT_H_

#include <string>

#include "cli/output.h"
#include "dmarcate/v1/source.pb.h"

namespace dmarcate::cli {

Table SourceTable(const google::protobuf::RepeatedPtrField<v1::Source>& sources);
Table OneSource(const v1::Source& source);
// One row an address.
Table AddressTable(const v1::ListSourceAddressesResponse& response);
Table SourceChangeTable(const v1::CompareSourcesResponse& response);
Table GroupingTable(const google::protobuf::RepeatedPtrField<v1::SourceGrouping>& groupings);
// One row a claim, for a program; a person reads ExplainText().
Table EvidenceTable(const v1::ExplainSourceResponse& response);
// Everything that is known about one source, for a person; strangers' bytes are escaped.
std::string ExplainText(const v1::ExplainSourceResponse& response);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_SOURCE_TEXT_H_
