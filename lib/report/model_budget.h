// lib/report/model_budget.h
// What the reports of one input may take in memory, counted over all documents and roots in it. A
// record's model can be much larger than its text ("<row/>" repeats everything around it), so the
// limits on bytes of text do not bound it.

#ifndef DMARCATE_LIB_REPORT_MODEL_BUDGET_H_
#define DMARCATE_LIB_REPORT_MODEL_BUDGET_H_

#include <cstdint>

#include "lib/report/model.h"

namespace dmarcate {

// Shared by every ParseAggregate call for one input. What a refused report had taken is given back:
// it is no longer there, and must not cost its neighbours their place. Not thread-safe.
class ModelBudget {
 public:
  ModelBudget(int64_t records, int64_t bytes) : records_left_(records), bytes_left_(bytes) {}

  // False, and nothing is taken: more than is left. To be asked before the memory is.
  bool TakeRecord();
  bool TakeBytes(int64_t bytes);
  void GiveBack(int64_t records, int64_t bytes);

  int64_t records_left() const { return records_left_; }
  int64_t bytes_left() const { return bytes_left_; }

 private:
  int64_t records_left_;
  int64_t bytes_left_;
};

// What each takes in memory, in bytes: itself, its lists and the texts too long to lie in place.
// The allocator's roundings and the room a growing vector keeps are not counted; they stay below
// as much again.
int64_t ModelBytes(const AggregateRecord& record);
// Without its records.
int64_t FrameBytes(const AggregateReport& report);
int64_t ModelBytes(const TlsReport& report);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_MODEL_BUDGET_H_
