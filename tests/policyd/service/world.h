// tests/policyd/service/world.h
// policyd's services over fakes: a gRPC server in this process, a clock that stands still, stores
// and a DNS in memory.

#ifndef DMARCATE_TESTS_POLICYD_SERVICE_WORLD_H_
#define DMARCATE_TESTS_POLICYD_SERVICE_WORLD_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/status.h"

#include "lib/base/clock.h"
#include "lib/dns/fake_resolver.h"
#include "lib/rpc/errors.h"
#include "lib/store/fake_alert_store.h"
#include "lib/store/fake_fleet_store.h"
#include "lib/store/fake_insight_store.h"
#include "lib/store/fake_observation_store.h"
#include "lib/store/fake_policy_store.h"
#include "lib/store/fake_report_store.h"
#include "lib/store/fake_rollout_store.h"
#include "policyd/provider/fake_provider.h"
#include "policyd/reconcile/sts_file_source.h"
#include "policyd/service/analysis_cache.h"
#include "policyd/service/insight_book.h"
#include "policyd/service/network_book.h"
#include "policyd/service/record_service.h"
#include "policyd/service/snapshot_publisher.h"

namespace dmarcate {
class MtaStsController;
class RolloutController;
}  // namespace dmarcate

namespace dmarcate::service_testing {

// The day it is, and the token that is accepted.
inline constexpr std::string_view kToday = "2026-06-30";
std::string Token();

enum class ReportsStore : bool { kMissing, kThere };

class World {
 public:
  // Report addresses are made at `address_domain`, and published in `snapshot_file`; empty: not.
  explicit World(ReportsStore reports_store = ReportsStore::kThere,
                 const std::string& address_domain = "", const std::string& snapshot_file = "");
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  FakeClock& clock();
  FakePolicyStore& policies();
  FakeObservationStore& observations();
  FakeInsightStore& insights();
  InsightBook& book();  // of these
  FakeAlertStore& alerts();
  FakeRolloutStore& rollouts();
  FakeRolloutStore& mta_sts_rollouts();
  FakeFleetStore& fleets();
  RolloutController& rollout_controller();
  MtaStsController& mta_sts_controller();
  FakeStsFileSource& sts_files();  // what is served at mta-sts.DOMAIN
  FakeResolver& resolver();
  // Instead of connecting to mail servers; before the first call. An empty posture if not set.
  void SetInboundLook(InboundLook look);
  FakeAuthoritativeResolver& authoritative();
  FakeDnsProvider& provider();  // what "dnsProviders/fake" opens
  AnalysisCache& analysis();
  NetworkBook& network();  // what these go by
  SnapshotPublisher& publisher();
  // As a daemon that was told to end; for good.
  void StartDraining();
  std::shared_ptr<grpc::Channel> channel();

  // Days before today: 0 is today.
  DayNumber DaysAgo(int days);
  // Stores the report under the domain it names and lets policyd see it. Its key.receipt is
  // returned in the id.
  std::string AddReport(StoredReport report);
  std::string AddReport(StoredTlsReport report);
  std::string AddReport(StoredFailureReport report);
  // Lets the rows of all reports so far expire, and policyd see it. Their daily totals stay.
  void ExpireRows();
  // Manages "example.com", and a rival of it.
  void AddDomain(std::string_view name = "example.com");
  // The account "fake", bound to example.com, with the zone on the provider and two servers that
  // show what it holds.
  void AddProvider();

  // The bytes that the report of this name came in, of any kind; what came before an error.
  grpc::Status Download(const std::string& name, std::string* bytes);

  // One call with the token. `Service`: v1::SourceService.
  template <typename Service, typename Request, typename Response>
  grpc::Status Call(grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&,
                                                          Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer " + Token());
    const auto stub = Service::NewStub(channel());
    return (stub.get()->*method)(&context, request, response);
  }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "" for OK, else the reason: what tables compare.
inline std::string ReasonOf(const grpc::Status& status) {
  return status.ok() ? "" : ExtractError(status).reason;
}

}  // namespace dmarcate::service_testing

// A call that has to work.
#define DMARCATE_CALL(world, service, method, request, response)              \
  do {                                                                        \
    const grpc::Status dmarcate_called =                                      \
        (world).Call<service>(&service::Stub::method, (request), (response)); \
    ASSERT_TRUE(dmarcate_called.ok()) << dmarcate_called.error_message();     \
  } while (false)

#endif  // DMARCATE_TESTS_POLICYD_SERVICE_WORLD_H_
