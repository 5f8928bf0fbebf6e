#include "bench/query_server.h"

#include <optional>
#include <utility>

#include "fmt/format.h"
#include "grpcpp/create_channel.h"

#include "bench/query_scan.h"
#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/base/status_macros.h"
#include "lib/dns/fake_resolver.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/rpc/auth.h"
#include "lib/rpc/server.h"
#include "lib/store/fake_policy_store.h"
#include "lib/store/rocks_report_store.h"
#include "policyd/analysis/catalogue.h"
#include "policyd/service/analysis_queries.h"
#include "policyd/service/convert.h"
#include "policyd/service/handler.h"
#include "policyd/service/report_follower.h"
#include "policyd/service/source_service.h"
#include "policyd/service/stats_service.h"
#include "policyd/service/ticker.h"

namespace dmarcate::bench {
namespace {

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      ToAbsl(status.error_message()));
}

}  // namespace

struct QueryServer::Impl {
  explicit Impl(const std::string& directory)
      : reports([directory] {
          return RocksReportReader::Follow(directory + "/reports", directory + "/follower",
                                           absl::Seconds(10));
        }) {}

  SystemClock clock;
  SystemRandom random;
  FakePolicyStore policies;  // nothing of it is measured but finding the domain
  FakeResolver resolver;
  std::unique_ptr<PublicSuffixList> suffixes = BuiltinPublicSuffixList();
  ReportFollower reports;
  const std::string token = "dmarcate_" + std::string(64, 'a');
  Authenticator authenticator{Secret(token), LocalSocketTrust::kTokenRequired};
  WorkerPool workers{16, 64};  // as policyd
  CallHost host{authenticator, workers};
  AnalysisCache analysis{reports, Catalogue::Default()};
  RequestMemory requests{policies, clock};
  PageTokens pages{clock, random};
  ServiceParts parts{host, clock, random, policies, analysis, requests, pages};
  std::vector<std::unique_ptr<grpc::Service>> services;
  std::unique_ptr<GrpcServer> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::SourceService::Stub> sources;
  std::unique_ptr<v1::StatsService::Stub> stats;
  std::optional<Ticker> follow;

  void Authorize(grpc::ClientContext& context) const {
    context.AddMetadata("authorization", "Bearer " + token);
  }
};

QueryServer::QueryServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
QueryServer::~QueryServer() {
  if (impl_->follow) impl_->follow->Stop();
  if (impl_->server) impl_->server->Drain(absl::Seconds(5));
}

absl::StatusOr<std::unique_ptr<QueryServer>> QueryServer::Start(
    const std::string& directory, const std::vector<std::string>& domains) {
  std::unique_ptr<QueryServer> out(new QueryServer(std::make_unique<Impl>(directory)));
  Impl& impl = *out->impl_;
  DMARCATE_RETURN_IF_ERROR(impl.reports.Tick());
  impl.analysis.KeepRows(*impl.suffixes);
  for (const std::string& name : domains) {
    DomainRecord record;
    record.name = name;
    DMARCATE_RETURN_IF_ERROR(impl.policies.PutDomain(std::move(record)).status());
  }
  impl.services.push_back(MakeSourceService(impl.parts, impl.resolver, {}));
  impl.services.push_back(MakeStatsService(impl.parts, impl.reports, *impl.suffixes));
  ListenConfig listen;
  listen.token_file = directory + "/token";  // ours is in memory
  listen.tcp = "127.0.0.1:0";
  listen.tcp_security = TcpSecurity::kInsecureLoopback;
  std::vector<grpc::Service*> served;
  for (const auto& service : impl.services) served.push_back(service.get());
  DMARCATE_ASSIGN_OR_RETURN(impl.server, GrpcServer::Start(listen, impl.host, served));
  impl.channel = grpc::CreateChannel(fmt::format("127.0.0.1:{}", impl.server->port()),
                                     grpc::InsecureChannelCredentials());
  impl.sources = v1::SourceService::NewStub(impl.channel);
  impl.stats = v1::StatsService::NewStub(impl.channel);
  return out;
}

AnalysisCache& QueryServer::analysis() { return impl_->analysis; }
ReportReader& QueryServer::reader() { return **impl_->reports.Reader(); }
const PublicSuffixList& QueryServer::suffixes() { return *impl_->suffixes; }

void QueryServer::Follow() {
  impl_->follow.emplace(kFollowInterval, [this] {
    if (impl_->reports.Tick().ok()) impl_->analysis.Freshen(impl_->clock.Now() + kFreshenLimit);
  });
}

absl::StatusOr<QueryServer::Answer> QueryServer::Ask(const std::string& domain,
                                                     const DayRange& range) {
  const dmarcate::Call call({"bench"}, absl::InfiniteFuture());
  Answer answer;
  DMARCATE_ASSIGN_OR_RETURN(
      answer.page, PageOfSources(impl_->analysis, call, domain, range, {.limit = kTopSources}));
  DMARCATE_ASSIGN_OR_RETURN(answer.series, SeriesOf(impl_->analysis, call, domain, range, ""));
  return answer;
}

absl::Status QueryServer::Call(const std::string& domain, const DayRange& range) {
  const std::string parent = "domains/" + domain;
  {
    grpc::ClientContext context;
    impl_->Authorize(context);
    v1::ListSourcesRequest request;
    request.set_parent(parent);
    request.set_page_size(static_cast<int>(kTopSources));
    *request.mutable_date_range() = ToMessage(range);
    v1::ListSourcesResponse response;
    DMARCATE_RETURN_IF_ERROR(FromGrpc(impl_->sources->ListSources(&context, request, &response)));
  }
  grpc::ClientContext context;
  impl_->Authorize(context);
  v1::QueryTimeSeriesRequest request;
  request.set_parent(parent);
  *request.mutable_date_range() = ToMessage(range);
  v1::QueryTimeSeriesResponse response;
  return FromGrpc(impl_->stats->QueryTimeSeries(&context, request, &response));
}

absl::Status QueryServer::CallNothing() {
  for (int i = 0; i < 2; ++i) {  // as many as Call()
    grpc::ClientContext context;
    impl_->Authorize(context);
    v1::QueryTimeSeriesResponse response;
    // Refused after it was authenticated and run: no domain is named.
    const grpc::Status status = impl_->stats->QueryTimeSeries(&context, {}, &response);
    if (status.error_code() != grpc::StatusCode::INVALID_ARGUMENT) return FromGrpc(status);
  }
  return absl::OkStatus();
}

absl::StatusOr<WhatIfPage> QueryServer::Suppose(const std::string& domain, const DayRange& range,
                                                const WhatIf& what_if) {
  const dmarcate::Call call({"bench"}, absl::InfiniteFuture());
  std::optional<WhatIfPage> page;
  DMARCATE_RETURN_IF_ERROR(
      impl_->analysis
          .WithRows(call, domain, range,
                    [&](const RowDays& rows) { page = SumWhatIf(rows, what_if, 50); })
          .status());
  if (!page) return absl::InternalError("what-if: not from compact rows");
  return *std::move(page);
}

}  // namespace dmarcate::bench
