// lib/unpack/large_report.h
// An XML document that is inflated and read at once, so that it is never in memory as a whole.
// Internal to lib/unpack.

#ifndef DMARCATE_LIB_UNPACK_LARGE_REPORT_H_
#define DMARCATE_LIB_UNPACK_LARGE_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/digest.h"
#include "lib/report/aggregate_stream.h"

namespace dmarcate {

// Not thread-safe. `limits` and `budget` outlive it.
class LargeReport {
 public:
  LargeReport(ReportHints hints, const AggregateLimits& limits, ModelBudget& budget,
              int64_t most_bytes, const MakeRecordSink& make_sink);
  LargeReport(const LargeReport&) = delete;
  LargeReport& operator=(const LargeReport&) = delete;

  // False: the rest need not come.
  bool Take(std::string_view piece);

  // After the last piece.
  //
  // It was refused, or repaired in what counts: read as a whole it may say more. True only before
  // Finish(); then nothing of the budget is kept.
  bool NeedsWhole();
  // Each once.
  ParsedAggregate Finish();
  std::string Digest();  // SHA-256 of the document; empty if it did not come to its end

  // For a report that is not kept, after Finish(): see AggregateStream.
  void GiveBack() { stream_.GiveBack(); }

  bool has_feedback_tag() const { return has_feedback_tag_; }
  bool ends_with_feedback_tag() const;
  int64_t bytes() const { return bytes_; }

 private:
  const ReportHints hints_;
  AggregateStream stream_;
  Sha256Stream digest_;
  std::string tail_;  // the last bytes
  int64_t bytes_ = 0;
  bool has_feedback_tag_ = false;
  bool complete_ = true;
  std::optional<ParsedAggregate> parsed_;  // by NeedsWhole()
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_UNPACK_LARGE_REPORT_H_
