// lib/report/aggregate_stream.h
// An aggregate report that is too large to be held: read while it comes, in windows that end where
// a record does. Each window is read as a document of its own, with what stood before the first
// record in front of it, so that a large report has every repair that a small one has.

#ifndef DMARCATE_LIB_REPORT_AGGREGATE_STREAM_H_
#define DMARCATE_LIB_REPORT_AGGREGATE_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/report/aggregate.h"
#include "lib/report/record_sink.h"
#include "lib/report/record_walk.h"
#include "lib/report/synthetic_id.h"

namespace dmarcate {

// In bytes. Tests take smaller ones, with `head` at most `window`.
struct AggregateStreamSizes {
  size_t head = 64 << 10;         // before the first record
  size_t window = 1 << 20;        // read at once, if a record ends in it
  size_t most_window = 2 << 20;   // of one record, as in a small report
  size_t behind_root = 64 << 10;  // read with the last window, for what is to be said of it
};

// Not thread-safe. Beside the report it takes some MiB, whatever comes; with a sink for the records
// that is all. What a small report may do and one that is read like this may not, since it would
// have to be held: have metadata or policy behind its first record ("frame_after_records",
// kQuarantined), more than 64 KiB before it
// ("frame_too_large"), or another report or over 64 KiB of text behind its end
// ("document_too_large").
class AggregateStream {
 public:
  // `document_bytes`: how much will come, as far as one can tell. `make_sink` may be empty: then
  // the report holds its records. The references outlive this.
  AggregateStream(const ReportHints& hints, const AggregateLimits& limits, ModelBudget& budget,
                  int64_t document_bytes, MakeRecordSink make_sink = nullptr,
                  const AggregateStreamSizes& sizes = {});

  // The next bytes, UTF-8. False: the outcome is known, no more need come.
  bool Add(std::string_view piece);
  // Once, after the last piece.
  ParsedAggregate Finish();
  // What the report took of the budget, for one that is not kept. Refused ones have given it back.
  // Nothing else may have taken of it since this was made.
  void GiveBack() { budget_ = budget_before_; }

 private:
  // Where the root begins, and what stands before the first record; false if that cannot be known
  // yet, or never (then refused).
  bool FindRootStart();
  bool FindHead();
  // Lets go what stands behind the root, but the little that is read with the last window.
  bool KeepLittleBehindRoot();
  void RefuseSeveral();
  bool RefuseLateFrame();
  void ReadWindow(std::string_view records, bool last);
  void Merge(ParsedAggregate part);
  void Begin(ParsedAggregate part);
  void AddRecords(std::vector<AggregateRecord> records);
  // True if `part` has any that is not the head's.
  bool MergeRepairs(ParsedAggregate& part);
  void Conclude();
  void Refuse(ParsedAggregate refusal);
  void Refuse(Outcome outcome, std::string_view reason, std::string_view detail);

  const ReportHints& hints_;
  const AggregateLimits& limits_;
  ModelBudget& budget_;
  const int64_t document_bytes_;
  const MakeRecordSink make_sink_;
  const AggregateStreamSizes sizes_;
  const ModelBudget budget_before_;
  std::string window_;
  std::string head_;                      // with the root's start tag; empty: not found yet
  std::string close_;                     // the root's end tag
  std::optional<ParsedAggregate> whole_;  // so far
  std::optional<RecordWalk> walk_;        // once the root is known
  size_t records_seen_ = 0;
  std::optional<SyntheticId> made_id_;  // the report has none of its own
  int64_t sink_bytes_ = 0;              // that the budget gave for what the sink keeps
  bool refused_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_AGGREGATE_STREAM_H_
