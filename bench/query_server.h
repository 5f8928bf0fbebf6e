// bench/query_server.h
// What answers queries in policyd, on a store that another process may be writing: the follower on
// its timer, analysis, and the services over gRPC on loopback.

#ifndef DMARCATE_BENCH_QUERY_SERVER_H_
#define DMARCATE_BENCH_QUERY_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/channel.h"

#include "dmarcate/v1/source.grpc.pb.h"
#include "dmarcate/v1/stats.grpc.pb.h"
#include "policyd/analysis/row_sums.h"
#include "policyd/service/analysis_cache.h"

namespace dmarcate::bench {

class QueryServer {
 public:
  // `directory` holds "reports"; what is ours is written beside it. `domains` are managed.
  static absl::StatusOr<std::unique_ptr<QueryServer>> Start(
      const std::string& directory, const std::vector<std::string>& domains);
  ~QueryServer();

  AnalysisCache& analysis();
  ReportReader& reader();
  const PublicSuffixList& suffixes();
  // Follows the store from now on, once a second.
  void Follow();

  // As an RPC does it after decoding and before encoding: the sources of a page and the series.
  struct Answer {
    SourcePage page;
    SourceSeries series;
  };
  absl::StatusOr<Answer> Ask(const std::string& domain, const DayRange& range);
  // Over gRPC: ListSources and QueryTimeSeries.
  absl::Status Call(const std::string& domain, const DayRange& range);
  // The health service alone: what gRPC takes for itself.
  absl::Status CallNothing();
  // The counts alone; as an RPC does it.
  absl::StatusOr<WhatIfPage> Suppose(const std::string& domain, const DayRange& range,
                                     const WhatIf& what_if);

 private:
  struct Impl;
  explicit QueryServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dmarcate::bench

#endif  // DMARCATE_BENCH_QUERY_SERVER_H_
