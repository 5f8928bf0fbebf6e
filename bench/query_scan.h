// bench/query_scan.h
// The limit: the rows of one domain as a compact array by day, with their sources as numbers
// already, scanned with one hash table. Nobody could ask for less: no store, no change, no name.

#ifndef DMARCATE_BENCH_QUERY_SCAN_H_
#define DMARCATE_BENCH_QUERY_SCAN_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lib/store/report_store.h"
#include "policyd/analysis/spread.h"

namespace dmarcate::bench {

inline constexpr size_t kTopSources = 20;

// What both sides of the comparison must say alike.
struct TopAndSeries {
  struct Sum {
    int64_t messages = 0, pass = 0, dkim = 0, spf = 0;
    friend bool operator==(const Sum&, const Sum&) = default;
  };
  std::vector<std::pair<std::string, Sum>> top;  // most messages first, then by id
  std::vector<Sum> days;
  friend bool operator==(const TopAndSeries&, const TopAndSeries&) = default;
};

class ScanArray {
 public:
  // In the order of the store: by day.
  void Add(DayNumber day, std::string_view source_id, const AggregateRecord& record);

  TopAndSeries Scan(const DayRange& range) const;
  size_t rows() const { return rows_.size(); }
  size_t RowsIn(const DayRange& range) const;
  size_t SourcesIn(const DayRange& range) const;
  size_t AddressesIn(const DayRange& range) const;

 private:
  struct Row {
    uint32_t source = 0;
    uint32_t count = 0;
    uint32_t address = 0;  // an IPv4 address, or a digest of one of IPv6
    uint16_t day = 0;      // from the first one on
    uint8_t dkim = 0, spf = 0;
  };
  static_assert(sizeof(Row) == 16);
  std::pair<size_t, size_t> Find(const DayRange& range) const;

  std::vector<Row> rows_;
  std::vector<std::string> ids_;
  std::unordered_map<std::string, uint32_t> numbers_;
};

}  // namespace dmarcate::bench

#endif  // DMARCATE_BENCH_QUERY_SCAN_H_
