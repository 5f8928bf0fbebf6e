// cli/stats_text.h
// Statistics and what-if as tables.

#ifndef DMARCATE_CLI_STATS_TEXT_H_
#define DMARCATE_CLI_STATS_TEXT_H_

#include <string_view>

#include "cli/output.h"
#include "dmarcate/v1/stats.pb.h"

namespace dmarcate::cli {

// Said where a range of days has no mail at all, so that an empty table is not taken for an answer.
inline constexpr char kNoReportsNote[] =
    "no reports about it in these days; without --days or --from they are the last 30";

Table BreakdownTable(const v1::QueryBreakdownResponse& response);
Table TimeSeriesTable(const v1::QueryTimeSeriesResponse& response);
// `by`: "source", "reporter" or "trust".
Table SimulationTable(const v1::SimulatePolicyResponse& response, std::string_view by);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_STATS_TEXT_H_
