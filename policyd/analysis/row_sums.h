// policyd/analysis/row_sums.h
// What people ask of the days of one domain, from its DayRows: the first sources by volume, the
// series of days, breakdowns, and what another policy would have done. Each is exactly what
// StatisticsBuilder and WhatIfBuilder make of the rows, and costs a small part of it, since nothing
// is made that is not shown. Pure.
//
// Nothing (nullopt) where a bound of statistics.h would leave things out: in which order things
// came then decides, and only the rows themselves know that. Sources are no such thing.

#ifndef DMARCATE_POLICYD_ANALYSIS_ROW_SUMS_H_
#define DMARCATE_POLICYD_ANALYSIS_ROW_SUMS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policyd/analysis/catalogue.h"
#include "policyd/analysis/day_rows.h"
#include "policyd/analysis/row_names.h"
#include "policyd/analysis/spread.h"
#include "policyd/analysis/statistics.h"
#include "policyd/analysis/what_if.h"

namespace dmarcate {

// A view; what it names outlives it.
struct RowDays {
  std::string_view domain;
  DayRange range;
  const RowNames& names;
  const Catalogue& catalogue;
  // Of the range, ascending, the parts of a day in their order; days without reports may be
  // missing.
  std::vector<const DayRows*> days;
};

struct SourceQuery {
  size_t limit = 0;
  // Only sources behind this one in the order of a list: most messages first, then by id.
  struct Place {
    int64_t messages = 0;
    std::string id;
  };
  std::optional<Place> after;
  std::function<bool(const std::string& id)> wanted;  // null: all
  std::vector<std::string> ask;                       // ids; see SourcePage::silent
};

struct SourcePage {
  // Of the range, with `total` and the sources of this page alone: without their addresses, of
  // which address_count is the number.
  DomainStatistics statistics;
  bool more = false;                // there are more behind them
  std::vector<std::string> silent;  // those of SourceQuery::ask that have no mail in the range
};
std::optional<SourcePage> ListSources(const RowDays& rows, const SourceQuery& query);

struct SourceSeries {
  bool known = false;  // the source has mail in the range
  std::vector<DayStats> days;
  Counts expired;
};
// `source`: an id; empty: of the domain.
std::optional<SourceSeries> SumSeries(const RowDays& rows, std::string_view source);

enum class RowDimension : uint8_t { kSource, kReporter, kHeaderFrom, kDisposition, kTrust };
struct RowBreakdown {
  Counts total, expired;
  std::vector<BreakdownEntry> entries;  // all; most messages first, then by key
};
// The keys of kTrust are the numbers of the classes.
std::optional<RowBreakdown> BreakDown(const RowDays& rows, RowDimension dimension);

struct WhatIfPage {
  WhatIfResult result;  // with the first sources and reporters alone
  size_t sources_left_out = 0, reporters_left_out = 0;
  Counts expired;
};
// At most `limit` sources, and as many reporters.
std::optional<WhatIfPage> SumWhatIf(const RowDays& rows, const WhatIf& what_if, size_t limit);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_ROW_SUMS_H_
