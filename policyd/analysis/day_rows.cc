#include "policyd/analysis/day_rows.h"

namespace dmarcate {

uint8_t BecameOf(Disposition disposition) {
  switch (disposition) {
    case Disposition::kNone:
    case Disposition::kPass:
      return 0;
    case Disposition::kQuarantine:
      return 1;
    case Disposition::kReject:
      return 2;
    case Disposition::kUnspecified:
      return 3;
  }
  return 3;
}

size_t DayRows::MemoryBytes() const {
  size_t bytes = sizeof(*this) + sources.capacity() * sizeof(DaySource) +
                 cells.capacity() * sizeof(RowCell) + sums.capacity() * sizeof(RowSum) +
                 anchors.capacity() * sizeof(AnchorSum) + addresses.capacity() * sizeof(uint32_t) +
                 large.capacity() * sizeof(int64_t) + (expired ? sizeof(DayTotals) : 0);
  for (const SpreadReport& report : spread) {
    bytes += sizeof(report) + report.rows.capacity() * sizeof(SpreadReport::Row);
  }
  return bytes;
}

}  // namespace dmarcate
