// cli/insight_text.h
// Insights as text: what a person reads in the morning.

#ifndef DMARCATE_CLI_INSIGHT_TEXT_H_
#define DMARCATE_CLI_INSIGHT_TEXT_H_

#include <string>
#include <vector>

#include "cli/output.h"
#include "dmarcate/v1/insight.pb.h"

namespace dmarcate::cli {

// Domain by domain, each insight with what to do and what shows it. Text from outside is escaped.
std::string InsightsText(const v1::ListInsightsResponse& response);
// One, with all that is kept of it.
std::string InsightText(const v1::Insight& insight);
// One row an insight.
Table InsightTable(const google::protobuf::RepeatedPtrField<v1::Insight>& insights);
// Where the list does not tell everything, a line each.
std::vector<std::string> UnknownLines(const v1::ListInsightsResponse& response);
// Whether there is a domain of which the list says nothing at all: nobody has looked yet, or not
// for a day, or what the last look found cannot be read. Names of which nothing is known are less.
bool NothingIsKnown(const v1::ListInsightsResponse& response);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_INSIGHT_TEXT_H_
