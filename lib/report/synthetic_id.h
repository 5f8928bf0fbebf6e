// lib/report/synthetic_id.h
// R7: an id for a report that brought none. The same report always gets the same, in whatever order
// its records stand.

#ifndef DMARCATE_LIB_REPORT_SYNTHETIC_ID_H_
#define DMARCATE_LIB_REPORT_SYNTHETIC_ID_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/report/model.h"

namespace dmarcate {

// Keeps 32 bytes a record.
class SyntheticId {
 public:
  void Add(const std::vector<AggregateRecord>& records);
  // "sha256:..." of all records added and of what `report` says beside them. Once.
  std::string Finish(const AggregateReport& report);

 private:
  std::vector<std::array<char, 32>> records_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_SYNTHETIC_ID_H_
