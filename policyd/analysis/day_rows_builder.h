// policyd/analysis/day_rows_builder.h
// Makes the DayRows of reports, and one of several. Pure.

#ifndef DMARCATE_POLICYD_ANALYSIS_DAY_ROWS_BUILDER_H_
#define DMARCATE_POLICYD_ANALYSIS_DAY_ROWS_BUILDER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "lib/base/time.h"
#include "lib/mailauth/alignment.h"
#include "lib/store/report_store.h"
#include "policyd/analysis/attribution.h"
#include "policyd/analysis/day_rows.h"
#include "policyd/analysis/row_names.h"

namespace dmarcate {

// What a row is attributed to; a function of the row alone.
using Attributor = std::function<Attribution(const AggregateRecord& record)>;

inline constexpr size_t kMaxRowReporters = 10'000;  // of one domain; kMaxKeys of statistics.h

// Add() the day's reports in the order of their keys; then Finish(). Not thread-safe.
class DayRowsBuilder {
 public:
  // All outlive this. `names` are those of `domain`.
  DayRowsBuilder(std::string_view domain, DayNumber day, const Attributor& attribute,
                 const PublicSuffixList& suffixes, RowNames* names);
  ~DayRowsBuilder();
  DayRowsBuilder(const DayRowsBuilder&) = delete;
  DayRowsBuilder& operator=(const DayRowsBuilder&) = delete;

  // What does not count, or is of another day, is left out. False: there are more names than have
  // numbers here, or a source of people's making is called as the one that stands for the rest
  // (kOverflowSourceId), and nothing comes of it.
  bool Add(const StoredReport& report);
  void AddExpired(const DayTotals& totals);
  DayRows Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What Finish() would have given, had all reports of `later` been added to the builder of `before`
// behind its own. Both of one day, and of `names`.
DayRows JoinDayRows(const DayRows& before, const DayRows& later, RowNames* names);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_DAY_ROWS_BUILDER_H_
