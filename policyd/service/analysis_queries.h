// policyd/service/analysis_queries.h
// What people look at first, and often: the sources by volume, a series, a breakdown. From compact
// rows (row_tables.h) where that is possible, else from the statistics of all; which of the two
// cannot be told from the answer. Errors are those of AnalysisCache::Get().

#ifndef DMARCATE_POLICYD_SERVICE_ANALYSIS_QUERIES_H_
#define DMARCATE_POLICYD_SERVICE_ANALYSIS_QUERIES_H_

#include <optional>
#include <string_view>

#include "absl/status/statusor.h"

#include "lib/rpc/call.h"
#include "policyd/analysis/row_sums.h"
#include "policyd/service/analysis_cache.h"

namespace dmarcate {

absl::StatusOr<SourcePage> PageOfSources(AnalysisCache& analysis, const Call& call,
                                         std::string_view domain, const DayRange& range,
                                         const SourceQuery& query);

// `source`: an id; empty: of the domain.
absl::StatusOr<SourceSeries> SeriesOf(AnalysisCache& analysis, const Call& call,
                                      std::string_view domain, const DayRange& range,
                                      std::string_view source);

// `dimension` nullopt: by address. The keys of trust classes are their names.
absl::StatusOr<RowBreakdown> BreakdownOf(AnalysisCache& analysis, const Call& call,
                                         std::string_view domain, const DayRange& range,
                                         std::optional<RowDimension> dimension);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_ANALYSIS_QUERIES_H_
