// policyd/analysis/day_rows.h
// The rows of one domain's reports of one day, as compact as sums over many days need them: by
// source, and within a source each kind of row once. What is invariant is kept, so that the days of
// any range, put one behind the other, give exactly what the rows would give (row_sums.h). So do
// the parts of a day: what came later is a DayRows of its own behind what was there. Pure.
//
// A source is what a row is attributed to, so a DayRows is as old as what attribution went by: the
// catalogue, what is known about addresses, and what people have grouped.

#ifndef DMARCATE_POLICYD_ANALYSIS_DAY_ROWS_H_
#define DMARCATE_POLICYD_ANALYSIS_DAY_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/time.h"
#include "lib/store/report_store.h"
#include "policyd/analysis/counts.h"
#include "policyd/analysis/row_names.h"

namespace dmarcate {

// Rows that differ in nothing but address and count. Ordered within a source as they came first.
struct RowCell {
  uint32_t shape = 0;
  uint32_t messages = 0;  // kLargeCell: an index into DayRows::large, in place of more than fit
  uint16_t reporter = 0;
  uint8_t trust = 0;
  uint8_t rule : 4 = 0;    // Attribution::rule
  uint8_t spread : 1 = 0;  // in reports of several days
  uint8_t large : 1 = 0;
  uint8_t spare : 2 = 0;
  friend bool operator==(const RowCell&, const RowCell&) = default;
};
static_assert(sizeof(RowCell) == 12);

// What a row is to statistics, whoever reported it: few, where there are very many cells.
struct RowSum {
  uint32_t messages = 0;   // as in RowCell
  uint8_t facts : 4 = 0;   // of RowShape: dkim_aligned, spf_aligned, dkim_pass, spf_pass
  uint8_t became : 2 = 0;  // BecameOf()
  uint8_t large : 1 = 0, spare : 1 = 0;
  uint8_t trust : 4 = 0, rule : 4 = 0;
  uint8_t forwarded_by_override : 1 = 0, forwarded_by_broken_spf : 1 = 0;
  uint8_t own_signature : 1 = 0, own_envelope_denied : 1 = 0, unused : 4 = 0;
  uint8_t overrides = 0;
  friend bool operator==(const RowSum&, const RowSum&) = default;
};
static_assert(sizeof(RowSum) == 8);
// What one anchor says of it. Ordered within a source as they came first.
struct AnchorSum {
  uint32_t messages = 0;  // as in RowCell
  uint16_t reporter = 0;
  uint8_t facts : 4 = 0, became : 2 = 0;  // as in RowSum
  uint8_t proves : 1 = 0;                 // ProvesIdentity() of statistics.h
  uint8_t large : 1 = 0;
  uint8_t unused = 0;
  friend bool operator==(const AnchorSum&, const AnchorSum&) = default;
};
static_assert(sizeof(AnchorSum) == 8);
// What became of a row, as Counts tell it: 0 delivered, 1 quarantined, 2 rejected, 3 not known.
uint8_t BecameOf(Disposition disposition);

// Of our passing signatures on a source's rows of one day.
struct DaySelectors {
  uint32_t any : 1 = 0;    // there is one
  uint32_t more : 1 = 0;   // than are kept of a source
  uint32_t list : 30 = 0;  // of those that are: as RowShape::selectors
  friend bool operator==(const DaySelectors&, const DaySelectors&) = default;
};

// One source on one day. Ordered as they came first. What belongs to it lies in the vectors of
// DayRows behind what belongs to the one before.
struct DaySource {
  uint32_t source = 0;
  uint32_t cells_end = 0;
  uint32_t sums_end = 0;
  uint32_t anchors_end = 0;
  uint32_t addresses_end = 0;  // none: it has its own (RowNames::AddressOfSource), and no other
  uint32_t reports = 0;        // that name it
  uint32_t value =
      kOwnAddress;           // text: what the strongest evidence saw, of equal the first by name
  uint8_t rule = 0;          // the strongest
  uint8_t service : 1 = 0;   // that evidence is of a catalogued service
  uint8_t own_dkim : 1 = 0;  // some of it is Rule::kOwnDkim
  // The same of rows that are believed (statistics.h), and whether there are any.
  uint8_t believed_own_dkim : 1 = 0, believed : 1 = 0, unused : 4 = 0;
  DaySelectors selectors, believed_selectors;
  int64_t messages = 0;
  // A bit for each reporter by its number; the last one: some have a higher number, and only the
  // cells tell them.
  uint64_t reporters = 0;

  static constexpr uint32_t kOwnAddress = UINT32_MAX;  // its own address, as text
  static constexpr uint8_t kNoRule = UINT8_MAX;        // weaker than any
  static constexpr uint32_t kHighReporter = 63;
  friend bool operator==(const DaySource&, const DaySource&) = default;
};

// A report of several days: its rows have to be dealt out anew for each range.
struct SpreadReport {
  int64_t begin = 0, end = 0;
  struct Row {
    uint32_t source = 0, shape = 0;
    int64_t messages = 0;
    friend bool operator==(const Row&, const Row&) = default;
  };
  std::vector<Row> rows;
  friend bool operator==(const SpreadReport&, const SpreadReport&) = default;
};

// A day, or a part of one: reports that came one after the other.
struct DayRows {
  DayNumber day = 0;
  int32_t reports = 0;         // that count, empty ones included
  ReceiptId last_receipt = 0;  // with last_item: of the report that came last, whether it counts
  uint16_t last_item = 0;
  Counts counts;
  std::vector<DaySource> sources;
  std::vector<RowCell> cells;
  std::vector<RowSum> sums;
  std::vector<AnchorSum> anchors;
  std::vector<uint32_t> addresses;  // each once for a source
  std::vector<int64_t> large;
  std::vector<SpreadReport> spread;
  std::unique_ptr<DayTotals> expired;  // null: nothing has

  template <typename Part>  // RowCell, RowSum, AnchorSum
  int64_t MessagesOf(const Part& part) const {
    return part.large ? large[part.messages] : int64_t{part.messages};
  }
  size_t MemoryBytes() const;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_DAY_ROWS_H_
