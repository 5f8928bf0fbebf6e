#include "policyd/service/analysis_queries.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/status_macros.h"
#include "policyd/service/convert.h"

namespace dmarcate {
namespace {

SourcePage CutPage(const DomainStatistics& statistics, const SourceQuery& query) {
  SourcePage page;
  page.statistics.domain = statistics.domain;
  page.statistics.range = statistics.range;
  page.statistics.total = statistics.total;
  page.statistics.reporters = statistics.reporters;
  for (const SourceStatistics& source : statistics.sources) {
    const int64_t messages = source.counts.messages;
    if (query.after && (messages > query.after->messages ||
                        (messages == query.after->messages && source.id <= query.after->id))) {
      continue;
    }
    if (query.wanted && !query.wanted(source.id)) continue;
    if (page.statistics.sources.size() == query.limit) {
      page.more = true;
      break;
    }
    page.statistics.sources.push_back(source);
  }
  for (const std::string& id : query.ask) {
    if (statistics.FindSource(id) == nullptr) page.silent.push_back(id);
  }
  return page;
}

void SortEntries(std::vector<BreakdownEntry>& entries) {
  std::ranges::sort(entries, [](const BreakdownEntry& a, const BreakdownEntry& b) {
    if (a.counts.messages != b.counts.messages) return a.counts.messages > b.counts.messages;
    return a.key < b.key;
  });
}

std::vector<BreakdownEntry> EntriesOf(const DomainStatistics& statistics,
                                      std::optional<RowDimension> dimension) {
  if (!dimension) return statistics.by_address;
  std::vector<BreakdownEntry> entries;
  switch (*dimension) {
    case RowDimension::kSource:
      for (const SourceStatistics& source : statistics.sources) {
        entries.push_back({source.id, source.counts});
      }
      return entries;
    case RowDimension::kReporter:
      return statistics.by_reporter;
    case RowDimension::kHeaderFrom:
      return statistics.by_header_from;
    case RowDimension::kDisposition:
      return statistics.by_disposition;
    case RowDimension::kTrust:
      break;
  }
  for (size_t trust = 0; trust < kTrustClasses; ++trust) {
    if (statistics.by_trust[trust].messages == 0) continue;
    entries.push_back({std::string(TrustKey(trust)), statistics.by_trust[trust]});
  }
  SortEntries(entries);
  return entries;
}

}  // namespace

absl::StatusOr<SourcePage> PageOfSources(AnalysisCache& analysis, const Call& call,
                                         std::string_view domain, const DayRange& range,
                                         const SourceQuery& query) {
  std::optional<SourcePage> page;
  DMARCATE_RETURN_IF_ERROR(
      analysis
          .WithRows(call, domain, range,
                    [&](const RowDays& rows) { page = ListSources(rows, query); })
          .status());
  if (page) {
    ApplyLearned(*analysis.forwarders(), &page->statistics);
    return *std::move(page);
  }
  DMARCATE_ASSIGN_OR_RETURN(const auto statistics, analysis.Get(call, domain, range));
  return CutPage(*statistics, query);
}

absl::StatusOr<SourceSeries> SeriesOf(AnalysisCache& analysis, const Call& call,
                                      std::string_view domain, const DayRange& range,
                                      std::string_view source) {
  std::optional<SourceSeries> series;
  DMARCATE_RETURN_IF_ERROR(
      analysis
          .WithRows(call, domain, range,
                    [&](const RowDays& rows) { series = SumSeries(rows, source); })
          .status());
  if (series) return *std::move(series);
  DMARCATE_ASSIGN_OR_RETURN(const auto statistics, analysis.Get(call, domain, range, source));
  return SourceSeries{.known = !source.empty() && statistics->FindSource(source) != nullptr,
                      .days = statistics->days,
                      .expired = statistics->expired};
}

absl::StatusOr<RowBreakdown> BreakdownOf(AnalysisCache& analysis, const Call& call,
                                         std::string_view domain, const DayRange& range,
                                         std::optional<RowDimension> dimension) {
  std::optional<RowBreakdown> breakdown;
  if (dimension) {
    DMARCATE_RETURN_IF_ERROR(
        analysis
            .WithRows(call, domain, range,
                      [&](const RowDays& rows) { breakdown = BreakDown(rows, *dimension); })
            .status());
  }
  if (!breakdown) {
    DMARCATE_ASSIGN_OR_RETURN(const auto statistics, analysis.Get(call, domain, range));
    return RowBreakdown{.total = statistics->total,
                        .expired = statistics->expired,
                        .entries = EntriesOf(*statistics, dimension)};
  }
  if (dimension == RowDimension::kTrust) {
    for (BreakdownEntry& entry : breakdown->entries) {
      size_t trust = 0;
      std::from_chars(entry.key.data(), entry.key.data() + entry.key.size(), trust);
      entry.key = TrustKey(trust);
    }
    SortEntries(breakdown->entries);
  }
  return *std::move(breakdown);
}

}  // namespace dmarcate
