// lib/report/model_budget.h
// What the reports of one input may take in memory, counted over all documents and roots in it. A
// record's model can be much larger than its text ("<row/>" repeats everything around it), so the
// limits on bytes of text do not bound it.

#ifndef DMARCATE_LIB_REPORT_MODEL_BUDGET_H_
#define DMARCATE_LIB_REPORT_MODEL_BUDGET_H_

#include <algorithm>
#include <cstdint>

#include "lib/report/model.h"
#include "lib/report/record_sink.h"

namespace dmarcate {

// Shared by every ParseAggregate call for one input. What a refused report had taken is given back:
// it is no longer there, and must not cost its neighbours their place. Not thread-safe.
//
// What a model takes beyond `free_bytes` must have come as text, two bytes of it for three: an
// ordinary report takes at most about as much as its text, one with ten signatures a record 1.4
// times that. So a small document that asks for a large model is refused while it is small.
class ModelBudget {
 public:
  ModelBudget(int64_t records, int64_t bytes, int64_t free_bytes)
      : records_left_(records), bytes_left_(bytes), earned_(free_bytes) {}

  // Before a document of `bytes` is read, and again, negative, if it turned out to be no report.
  void AddText(int64_t bytes) { earned_ += bytes + bytes / 2; }

  // False, and nothing is taken: more than is left. To be asked before the memory is.
  bool TakeRecord();
  bool TakeBytes(int64_t bytes);
  void GiveBack(int64_t records, int64_t bytes);

  // What the sinks of large reports keep (record_sink.h): at most kMaxSinkBytes. False, and nothing
  // is taken, though it is there already: its report must go.
  bool TakeSinkBytes(int64_t bytes);

  int64_t records_left() const { return records_left_; }
  int64_t bytes_left() const { return std::max<int64_t>(0, std::min(bytes_left_, earned_)); }

 private:
  int64_t records_left_;
  int64_t bytes_left_;  // in all
  int64_t earned_;      // by the texts; may be below 0 after a document was taken back
  int64_t sink_left_ = kMaxSinkBytes;
};

// What each takes in memory, in bytes: itself, its lists and the texts too long to lie in place.
// The allocator's roundings and the room a growing vector keeps are not counted; they stay below
// as much again.
int64_t ModelBytes(const AggregateRecord& record);
// Without its records.
int64_t FrameBytes(const AggregateReport& report);
int64_t ModelBytes(const TlsReport& report);
int64_t ModelBytes(const TlsReport::FailureDetail& failure);
enum class FailureDetails : uint8_t { kCounted, kLeftOut };
int64_t ModelBytes(const TlsReport::PolicyResult& policy, FailureDetails failures);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_MODEL_BUDGET_H_
