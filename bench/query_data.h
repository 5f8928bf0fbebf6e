// bench/query_data.h
// Reports of many domains as receivers send them: services, own servers, forwarders and spoofers in
// the shares of ../shared/tools/gen_reports.py, made in memory and the same each time. Traffic
// falls off by domain as Zipf's law with exponent 0.85 has it.

#ifndef DMARCATE_BENCH_QUERY_DATA_H_
#define DMARCATE_BENCH_QUERY_DATA_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "lib/store/report_store.h"

namespace dmarcate::bench {

struct QueryScale {
  int64_t rows = 10'000'000;
  int domains = 1'000;
  int days = 90;
};
inline constexpr DayNumber kFirstQueryDay = 20'400;

class QueryData {
 public:
  explicit QueryData(const QueryScale& scale);
  ~QueryData();

  const std::string& domain(int rank) const;  // 0: the largest
  // By day, and within a day by domain. Keys are not set but for domain and day.
  void ForEachReport(const std::function<void(int rank, StoredReport report)>& visit) const;
  // One that comes late, about any domain and day.
  StoredReport LateReport(std::mt19937_64& random) const;

  const QueryScale& scale() const { return scale_; }

 private:
  struct Domain;
  StoredReport MakeReport(const Domain& domain, DayNumber day, int rows, uint64_t serial,
                          std::mt19937_64& random) const;

  const QueryScale scale_;
  std::vector<std::unique_ptr<Domain>> domains_;
  std::discrete_distribution<int> by_traffic_;
};

// Writes reports into a store, many in one commit, as bulk import does.
class ReportFiller {
 public:
  explicit ReportFiller(ReportWriter& writer, ReceiptId last = 0) : writer_(writer), last_(last) {}
  absl::Status Add(StoredReport report);
  absl::Status Flush();

 private:
  ReportWriter& writer_;
  ReceiptId last_;
  std::vector<StoredReport> waiting_;
};

}  // namespace dmarcate::bench

#endif  // DMARCATE_BENCH_QUERY_DATA_H_
