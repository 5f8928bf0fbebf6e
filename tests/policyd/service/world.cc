#include "tests/policyd/service/world.h"

#include <utility>

#include "fmt/format.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/report.grpc.pb.h"
#include "lib/base/digest.h"
#include "lib/base/random.h"
#include "lib/base/secret.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/rpc/auth.h"
#include "lib/rpc/call.h"
#include "lib/rpc/worker_pool.h"
#include "lib/store/fake_grouping_store.h"
#include "lib/store/fake_own_service_store.h"
#include "lib/store/fake_rollout_rules_store.h"
#include "policyd/notify/fake_notifier.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/mta_sts_controller.h"
#include "policyd/reconcile/pacer.h"
#include "policyd/reconcile/rollout_controller.h"
#include "policyd/reconcile/rollout_rules_book.h"
#include "policyd/service/alert_service.h"
#include "policyd/service/catalogue_service.h"
#include "policyd/service/change_service.h"
#include "policyd/service/domain_removal.h"
#include "policyd/service/domain_service.h"
#include "policyd/service/handler.h"
#include "policyd/service/insight_service.h"
#include "policyd/service/mta_sts_evidence.h"
#include "policyd/service/mta_sts_rollout_service.h"
#include "policyd/service/provider_service.h"
#include "policyd/service/record_service.h"
#include "policyd/service/report_follower.h"
#include "policyd/service/report_service.h"
#include "policyd/service/rollout_evidence.h"
#include "policyd/service/rollout_rules_service.h"
#include "policyd/service/rollout_service.h"
#include "policyd/service/source_service.h"
#include "policyd/service/stats_service.h"
#include "policyd/service/status_service.h"

namespace dmarcate::service_testing {
namespace {

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

absl::Time Noon() { return StartOfDay(*ParseDay(kToday)) + absl::Hours(12); }

}  // namespace

std::string Token() { return std::string(kTokenPrefix) + std::string(64, 'a'); }

struct World::Impl {
  Impl(ReportsStore reports_store, const std::string& address_domain,
       const std::string& snapshot_file)
      : publisher(policies, policies, snapshot_file),
        reports([this, reports_store]() -> absl::StatusOr<std::unique_ptr<ReportReader>> {
          if (reports_store == ReportsStore::kMissing) {
            return absl::UnavailableError("no database yet");
          }
          auto store = std::make_unique<FakeReportStore>();
          report_store = store.get();
          return std::unique_ptr<ReportReader>(std::move(store));
        }) {
    reports.Tick().IgnoreError();
    analysis.KeepRows(*suffixes);
    provider = std::make_shared<FakeDnsProvider>();
    providers.Add("fake", provider);
    services.push_back(MakeDomainService(parts, *suffixes, address_domain, publisher,
                                         {policies, rollouts, sts_rollouts, fleets}));
    services.push_back(MakeSourceService(parts, resolver, {&network, &groupings, &insights}));
    services.push_back(MakeStatsService(parts, reports, *suffixes));
    services.push_back(MakeAlertService(parts, alerts, alert_desk));
    analysis.Follow(catalogue_book);
    services.push_back(MakeCatalogueService(parts, catalogue_book, catalogue_desk));
    services.push_back(MakeRolloutService(parts, rollouts, rollout_controller));
    services.push_back(MakeRolloutRulesService(parts, rules_book));
    services.push_back(MakeRecordService(
        parts, resolver, authoritative, observations,
        [this](const DomainName& domain, const MxPosture& mx, const MtaStsPosture& mta_sts,
               absl::Duration limit, const std::function<bool()>& stop) {
          return look_inbound(domain, mx, mta_sts, limit, stop);
        }));
    services.push_back(MakeChangeService(parts, engine, spf_terms));
    services.push_back(MakeReportService(parts, reports, *suffixes));
    services.push_back(MakeProviderService(parts, providers, policies));
    services.push_back(MakeInsightService(parts, insights, book));
    services.push_back(MakeStatusService(parts, observations, insights, rollouts, sts_rollouts));
    services.push_back(MakeMtaStsRolloutService(parts, sts_rollouts, resolver, sts_controller));
    grpc::ServerBuilder builder;
    for (const auto& service : services) builder.RegisterService(service.get());
    server = builder.BuildAndStart();
    channel = server->InProcessChannel({});
  }
  ~Impl() {
    engine.Stop();
    server->Shutdown();
    workers.Stop();
  }

  // Reports as ingestd stores them.
  ReceiptId Accept(const std::string& raw);
  void Process(ReceiptId receipt, ProcessedItem item);
  template <typename Stored>
  std::string Arrive(Stored* report);

  FakeClock clock{Noon()};
  SeededRandom random{1};
  FakePolicyStore policies;
  FakeObservationStore observations;
  FakeInsightStore insights;
  InsightBook book{insights, clock};
  SnapshotPublisher publisher;
  FakeReportStore* report_store = nullptr;
  ReportFollower reports;
  FakeResolver resolver;
  FakeAuthoritativeResolver authoritative;
  InboundLook look_inbound = [](const auto&...) { return InboundPosture(); };
  std::shared_ptr<FakeDnsProvider> provider;
  FakeProviderFactory providers;
  std::unique_ptr<PublicSuffixList> suffixes = BuiltinPublicSuffixList();
  FakePacer pacer{clock};
  FakeStsFileSource sts_files;
  ChangeEngine engine{
      {policies, providers, resolver, authoritative, *suffixes, clock, random, pacer, &sts_files}};
  FakeGroupingStore groupings;
  FakeRolloutStore rollouts;
  FakeFleetStore fleets;
  FakeRolloutRulesStore rollout_rules;
  RolloutEvidence rollout_evidence{{policies,
                                    observations,
                                    insights,
                                    reports,
                                    resolver,
                                    authoritative,
                                    Catalogue::Default(),
                                    clock,
                                    absl::Hours(1),
                                    {},
                                    &groupings,
                                    nullptr,
                                    &rollout_rules}};
  RolloutRulesBook rules_book{rollout_rules, clock, random};
  RolloutController rollout_controller{
      {policies, rollouts, engine, rollout_evidence, clock, random},
      {.patience = absl::InfiniteDuration()}};
  FakeRolloutStore sts_rollouts;
  MtaStsEvidence sts_evidence{{policies, insights, reports, resolver, authoritative, sts_files,
                               [this](const auto&... of) { return look_inbound(of...); }, clock}};
  MtaStsController sts_controller{{policies, sts_rollouts, engine, sts_evidence, clock, random},
                                  {.patience = absl::InfiniteDuration()}};
  Authenticator authenticator{Secret(Token()), LocalSocketTrust::kTokenRequired};
  WorkerPool workers{6, 16};
  CallHost host{authenticator, workers};
  NetworkBook network;
  AnalysisCache analysis{reports, Catalogue::Default(), &network, &groupings};
  FakeOwnServiceStore own_services;
  CatalogueBook catalogue_book{Catalogue::Default()};
  CatalogueDesk catalogue_desk{own_services, catalogue_book, *suffixes, clock};
  FakeAlertStore alerts;
  FakeNotifier notifier;
  AlertDesk alert_desk{{policies, insights, alerts, analysis, notifier, clock}, {}};
  RequestMemory requests{policies, clock};
  PageTokens pages{clock, random};
  ServiceParts parts{host, clock, random, policies, analysis, requests, pages};
  SpfTermDesk spf_terms{parts, reports, resolver};
  std::vector<std::unique_ptr<grpc::Service>> services;
  std::unique_ptr<grpc::Server> server;
  std::shared_ptr<grpc::Channel> channel;
  int reports_added = 0;
};

World::World(ReportsStore reports_store, const std::string& address_domain,
             const std::string& snapshot_file)
    : impl_(std::make_unique<Impl>(reports_store, address_domain, snapshot_file)) {}
World::~World() = default;

FakeClock& World::clock() { return impl_->clock; }
FakePolicyStore& World::policies() { return impl_->policies; }
FakeObservationStore& World::observations() { return impl_->observations; }
FakeInsightStore& World::insights() { return impl_->insights; }
FakeAlertStore& World::alerts() { return impl_->alerts; }
FakeRolloutStore& World::rollouts() { return impl_->rollouts; }
FakeRolloutStore& World::mta_sts_rollouts() { return impl_->sts_rollouts; }
FakeFleetStore& World::fleets() { return impl_->fleets; }
InsightBook& World::book() { return impl_->book; }
RolloutController& World::rollout_controller() { return impl_->rollout_controller; }
MtaStsController& World::mta_sts_controller() { return impl_->sts_controller; }
FakeStsFileSource& World::sts_files() { return impl_->sts_files; }
FakeResolver& World::resolver() { return impl_->resolver; }
void World::SetInboundLook(InboundLook look) { impl_->look_inbound = std::move(look); }
FakeAuthoritativeResolver& World::authoritative() { return impl_->authoritative; }
FakeDnsProvider& World::provider() { return *impl_->provider; }
AnalysisCache& World::analysis() { return impl_->analysis; }
NetworkBook& World::network() { return impl_->network; }
void World::StartDraining() { impl_->host.StartDraining(); }
SnapshotPublisher& World::publisher() { return impl_->publisher; }
std::shared_ptr<grpc::Channel> World::channel() { return impl_->channel; }
DayNumber World::DaysAgo(int days) { return *ParseDay(kToday) - days; }

ReceiptId World::Impl::Accept(const std::string& raw) {
  CommitBatch accepting;
  accepting.accepted.push_back({{.raw_sha256 = Sha256(raw),
                                 .size_bytes = static_cast<int64_t>(raw.size()),
                                 .received_time = clock.Now(),
                                 .channel = Channel::kUpload},
                                raw});
  const auto accepted = report_store->Commit(std::move(accepting), Sync::kYes);
  if (!accepted.ok()) ADD_FAILURE() << accepted.status();
  return accepted->accepted[0];
}

void World::Impl::Process(ReceiptId receipt, ProcessedItem item) {
  CommitBatch::Processed processed{.receipt = receipt};
  item.item.outcome = Outcome::kAccepted;
  processed.items.push_back(std::move(item));
  CommitBatch processing;
  processing.processed.push_back(std::move(processed));
  const auto done = report_store->Commit(std::move(processing), Sync::kYes);
  if (!done.ok()) ADD_FAILURE() << done.status();
  if (const absl::Status seen = reports.Tick(); !seen.ok()) ADD_FAILURE() << seen;
}

// The rest of what every stored report says.
template <typename Stored>
std::string World::Impl::Arrive(Stored* report) {
  const std::string raw = fmt::format("raw bytes of report {}", ++reports_added);
  report->key.receipt = Accept(raw);
  report->document_sha256 = Sha256(raw);
  report->received_time = clock.Now();
  report->channel = Channel::kUpload;
  return raw;
}

std::string World::AddReport(StoredReport report) {
  const std::string raw = impl_->Arrive(&report);
  if (report.report.metadata.report_id.empty()) report.report.metadata.report_id = raw;
  if (report.reporter_key.empty()) report.reporter_key = report.report.metadata.org_name;
  const std::string id = report.key.ToId();
  ProcessedItem item{.item = {.kind = std::string(kAggregateKind)}, .report = std::move(report)};
  impl_->Process(item.report->key.receipt, std::move(item));
  return id;
}

std::string World::AddReport(StoredTlsReport report) {
  const std::string raw = impl_->Arrive(&report);
  if (report.report.report_id.empty()) report.report.report_id = raw;
  const std::string id = report.key.ToId();
  ProcessedItem item{.item = {.kind = std::string(kTlsKind)}, .tls = std::move(report)};
  impl_->Process(item.tls->key.receipt, std::move(item));
  return id;
}

std::string World::AddReport(StoredFailureReport report) {
  impl_->Arrive(&report);
  const std::string id = report.key.ToId();
  ProcessedItem item{.item = {.kind = std::string(kFailureKind)}, .failure = std::move(report)};
  impl_->Process(item.failure->key.receipt, std::move(item));
  return id;
}

void World::ExpireRows() {
  const auto expired = impl_->report_store->Expire({.rows = absl::InfiniteFuture()}, 1000);
  if (!expired.ok()) ADD_FAILURE() << expired.status();
}

void World::AddDomain(std::string_view name) {
  DomainRecord record;
  record.name = name;
  record.uid = fmt::format("uid-{}", name);
  record.create_time = record.update_time = impl_->clock.Now();
  const auto stored = impl_->policies.PutDomain(record);
  if (!stored.ok()) ADD_FAILURE() << stored.status();
}

void World::AddProvider() {
  const DomainName zone = Name("example.com");
  impl_->provider->AddZone(zone);
  impl_->authoritative.AddZone(zone);
  impl_->provider->OnChange([this](const DomainName& owner, const RrSet& rrset) {
    std::vector<std::string> texts;
    for (const TxtRecord& record : rrset.records) texts.push_back(record.Joined());
    impl_->authoritative.SetTxt(owner, texts);
    impl_->resolver.SetTxt(owner, texts);
  });
  DnsProviderRecord account;
  account.id = "fake";
  account.type = "powerdns";
  account.settings["api_url"] = "http://127.0.0.1:8081";
  account.secret_name = "fake-key";
  account.create_time = impl_->clock.Now();
  const auto stored = impl_->policies.PutProvider(account);
  if (!stored.ok()) ADD_FAILURE() << stored.status();
  auto domain = impl_->policies.GetDomain("example.com");
  if (!domain.ok()) return;
  domain->dns_provider = "fake";
  const auto bound = impl_->policies.PutDomain(*domain);
  if (!bound.ok()) ADD_FAILURE() << bound.status();
}

grpc::Status World::Download(const std::string& name, std::string* bytes) {
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + Token());
  v1::DownloadReportRequest request;
  request.set_name(name);
  const auto reader = v1::ReportService::NewStub(channel())->DownloadReport(&context, request);
  v1::DownloadReportResponse response;
  bytes->clear();
  while (reader->Read(&response)) *bytes += response.chunk();
  return reader->Finish();
}

}  // namespace dmarcate::service_testing
