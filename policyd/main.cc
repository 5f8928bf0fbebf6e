// policyd/main.cc
// Builds policyd's object graph: stores and the DNS -> analysis and change engine -> services.
// Nothing here branches on policy.

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "grpcpp/impl/service_type.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/random.h"
#include "lib/base/status_macros.h"
#include "lib/dns/ldns_authoritative_resolver.h"
#include "lib/dns/ldns_resolver.h"
#include "lib/http/curl_transport.h"
#include "lib/inbound/certificate.h"
#include "lib/inbound/inbound.h"
#include "lib/inspect/public_suffix_file.h"
#include "lib/rpc/daemon.h"
#include "lib/rpc/server.h"
#include "lib/rpc/signals.h"
#include "lib/store/rocks_policy_store.h"
#include "lib/store/rocks_report_store.h"
#include "policyd/analysis/catalogue.h"
#include "policyd/analysis/catalogue_file.h"
#include "policyd/config.h"
#include "policyd/gateway/http_port.h"
#include "policyd/gateway/pages.h"
#include "policyd/gateway/sts_directory.h"
#include "policyd/notify/channel_notifier.h"
#include "policyd/provider/configured_secrets.h"
#include "policyd/provider/exec/program.h"
#include "policyd/provider/factory.h"
#include "policyd/provider/read_only.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/fleet_engine.h"
#include "policyd/reconcile/mta_sts_controller.h"
#include "policyd/reconcile/mta_sts_served.h"
#include "policyd/reconcile/pacer.h"
#include "policyd/reconcile/rollout_controller.h"
#include "policyd/reconcile/rollout_rules_book.h"
#include "policyd/reconcile/sts_files.h"
#include "policyd/service/alert_desk.h"
#include "policyd/service/alert_service.h"
#include "policyd/service/analysis_cache.h"
#include "policyd/service/catalogue_service.h"
#include "policyd/service/change_service.h"
#include "policyd/service/domain_removal.h"
#include "policyd/service/domain_service.h"
#include "policyd/service/fleet_service.h"
#include "policyd/service/handler.h"
#include "policyd/service/insight_book.h"
#include "policyd/service/insight_service.h"
#include "policyd/service/mta_sts_evidence.h"
#include "policyd/service/mta_sts_rollout_service.h"
#include "policyd/service/mta_sts_service.h"
#include "policyd/service/mta_sts_watcher.h"
#include "policyd/service/network_book.h"
#include "policyd/service/network_gatherer.h"
#include "policyd/service/paging.h"
#include "policyd/service/provider_service.h"
#include "policyd/service/record_service.h"
#include "policyd/service/record_watcher.h"
#include "policyd/service/report_follower.h"
#include "policyd/service/report_service.h"
#include "policyd/service/report_watcher.h"
#include "policyd/service/request_memory.h"
#include "policyd/service/rollout_evidence.h"
#include "policyd/service/rollout_rules_service.h"
#include "policyd/service/rollout_service.h"
#include "policyd/service/rollout_watcher.h"
#include "policyd/service/selectors.h"
#include "policyd/service/snapshot_publisher.h"
#include "policyd/service/source_service.h"
#include "policyd/service/spf_follower.h"
#include "policyd/service/stats_service.h"
#include "policyd/service/status_service.h"
#include "policyd/service/ticker.h"

namespace dmarcate {
namespace {

// A handler may wait for the DNS, or half a minute for a change to be verified.
constexpr size_t kHandlerThreads = 16;
constexpr size_t kHandlerQueue = 64;
// How often changes that stopped half-way (a provider was down) are taken up again.
constexpr absl::Duration kResumeInterval = absl::Seconds(30);
// At once: those of a change of many domains (FleetBounds), and what a person asks for meanwhile.
constexpr size_t kTransactions = 12;
// How often it is looked at whether ingestd has been told what is stored.
constexpr absl::Duration kPublishInterval = absl::Seconds(10);

// How often it is looked at whether the watch has found a vendor changed, at most.
constexpr absl::Duration kFollowVendorsInterval = absl::Minutes(1);
// How often it is looked whom to tell what.
constexpr absl::Duration kTellInterval = absl::Seconds(10);
// How often the reports of a domain are read for what nobody should have to ask for.
constexpr absl::Duration kReportInterval = absl::Hours(1);
// How often it is looked at which rollouts are due, and what became of their changes.
constexpr absl::Duration kRolloutInterval = absl::Seconds(30);

constexpr mode_t kDirectoryMode = 0750;

// An operator's entries are few and written by hand.
constexpr size_t kMaxCatalogueFileBytes = 4 << 20;

// Null: the shipped services alone.
absl::StatusOr<std::unique_ptr<Catalogue>> LoadCatalogue(const std::string& path,
                                                         const PublicSuffixList& suffixes) {
  if (path.empty()) return nullptr;
  auto text = ReadFile(path, kMaxCatalogueFileBytes);
  if (!text.ok()) return Annotate(text.status(), "catalogue.file");
  auto catalogue = ExtendCatalogue(*text, path, suffixes);
  if (!catalogue.ok()) return Annotate(catalogue.status(), "catalogue.file");
  return catalogue;
}

StartCheck CheckStart(const PolicydConfig& config) {
  StartCheck check;
  check.RequireListen(config.listen);
  check.RequireOwnDirectory("store.directory", config.store_directory);
  // ingestd may make the one later, and the other is for those who have a provider.
  check.Expect("reports.directory", CheckDirectory(config.reports_directory, R_OK | X_OK));
  if (!config.snapshot_file.empty()) {
    check.Expect(
        "snapshot.file",
        CheckDirectory(std::filesystem::path(config.snapshot_file).parent_path(), W_OK | X_OK));
  }
  if (!config.mta_sts_directory.empty()) {
    check.Expect("http.mta_sts_directory", CheckDirectory(config.mta_sts_directory, X_OK));
  }
  check.Expect("secrets.directory", CheckDirectory(config.secrets_directory, X_OK));
  // What an account needs may be put there later.
  for (const auto& [name, secret] : config.secrets) {
    if (secret.command.empty()) continue;
    check.Expect(fmt::format("secret {}", name), CheckProgram(secret.command.front()));
  }
  for (const auto& [name, program] : config.programs) {
    check.Expect(fmt::format("program {}", name), CheckProgram(program.command.front()));
  }
  return check;
}

// What holds the keys of zones leaves no image of its memory: neither a core file, nor to a program
// that core_pattern pipes to, nor to another process of the same user.
absl::Status ForbidDumps() {
  const rlimit none = {0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return MakeError(absl::StatusCode::kInternal, "core files cannot be forbidden");
  }
  return absl::OkStatus();
}

absl::Status Run(const PolicydConfig& config, const PublicSuffixList& suffixes,
                 const Catalogue& catalogue) {
  DMARCATE_RETURN_IF_ERROR(ForbidDumps());
  SystemClock clock;
  SystemRandom random;
  DMARCATE_RETURN_IF_ERROR(MakeDirectories(config.store_directory, kDirectoryMode));
  DMARCATE_ASSIGN_OR_RETURN(const auto policies, RocksPolicyStore::Open(config.store_directory));
  ReportFollower reports([&config]() -> absl::StatusOr<std::unique_ptr<ReportReader>> {
    // Below our own directory: the service may write nowhere else.
    return RocksReportReader::Follow(config.reports_directory, config.store_directory + "/follower",
                                     absl::ZeroDuration());
  });
  DMARCATE_ASSIGN_OR_RETURN(const auto resolver, LdnsResolver::Create(config.dns, clock));
  DMARCATE_ASSIGN_OR_RETURN(const auto authoritative,
                            LdnsAuthoritativeResolver::Create(config.dns, *resolver));
  CurlTransport http;
  CurlTransport strangers({.schemes = CurlTransportOptions::Schemes::kHttpsOnly});
  DMARCATE_ASSIGN_OR_RETURN(const auto trust, TrustStore::Load());
  const char* const credentials = std::getenv("CREDENTIALS_DIRECTORY");
  ConfiguredSecretSource secrets(config.secrets_directory,
                                 credentials == nullptr ? "" : credentials, config.secrets);
  RealProviderFactory real_providers(http, secrets, {config.programs, authoritative.get()});
  ReadOnlyProviders no_writers(real_providers);
  ProviderFactory& providers =
      config.read_only ? static_cast<ProviderFactory&>(no_writers) : real_providers;
  SystemPacer pacer;
  StsFiles sts_files(*resolver, strangers, [&trust] { return trust->HasAuthorities(); },
                     {.guard = {config.inbound_networks}});
  ChangeEngine engine(
      {*policies, providers, *resolver, *authoritative, suffixes, clock, random, pacer, &sts_files},
      {.max_running = kTransactions});
  SystemPacer fleet_pacer;
  FleetEngine fleets({*policies, *policies, engine, clock, random, fleet_pacer});

  DMARCATE_RETURN_IF_ERROR(MakeDirectories(
      std::filesystem::path(config.listen.token_file).parent_path(), kDirectoryMode));
  DMARCATE_ASSIGN_OR_RETURN(const Secret token, ReadOrMakeToken(config.listen.token_file, random));
  const Authenticator authenticator(token, config.listen.local_trust);
  WorkerPool workers(kHandlerThreads, kHandlerQueue);
  CallHost host(authenticator, workers);
  NetworkBook network;
  AnalysisCache analysis(reports, catalogue, &network, policies.get());
  analysis.KeepRows(suffixes);
  CatalogueBook services_known(catalogue);
  CatalogueDesk catalogue_desk(*policies, services_known, suffixes, clock);
  DMARCATE_RETURN_IF_ERROR(catalogue_desk.Load());
  analysis.Follow(services_known);
  RequestMemory requests(*policies, clock);
  const PageTokens pages(clock, random);
  SnapshotPublisher publisher(*policies, *policies, config.snapshot_file);
  publisher.Publish().IgnoreError();  // before anybody is answered; an error is logged
  InsightBook insights(*policies, clock);
  CurlTransport hooks(
      {.schemes = CurlTransportOptions::Schemes::kHttpsOnly, .ca_file = config.alerts_ca_file});
  ChannelNotifier notifier(hooks, *resolver, secrets, clock, config.notify);
  AlertDesk alerts({*policies, *policies, *policies, analysis, notifier, clock},
                   {.digest = config.digest});
  const ServiceParts parts{host, clock, random, *policies, analysis, requests, pages};
  RolloutEvidence evidence({*policies,
                            *policies,
                            *policies,
                            reports,
                            *resolver,
                            *authoritative,
                            catalogue,
                            clock,
                            config.watch_interval,
                            {config.store_directory, config.reports_directory},
                            policies.get(),
                            &services_known,
                            policies.get(),
                            config.read_only});
  RolloutRulesBook rollout_rules(*policies, clock, random);
  RolloutController rollouts({*policies, *policies, engine, evidence, clock, random});
  const InboundLook look_inbound = [&](const DomainName& domain, const MxPosture& mx,
                                       const MtaStsPosture& mta_sts, absl::Duration limit,
                                       const std::function<bool()>& stop) {
    return InspectInbound(domain, mx, mta_sts, {*resolver, strangers, *trust, clock},
                          {.guard = {config.inbound_networks}, .limit = limit, .stop = stop});
  };
  MtaStsEvidence sts_evidence({*policies,
                               *policies,
                               reports,
                               *resolver,
                               *authoritative,
                               sts_files,
                               look_inbound,
                               clock,
                               {config.store_directory, config.reports_directory},
                               config.read_only,
                               &*policies});
  RolloutStore& sts_rollouts = policies->mta_sts_rollouts();
  MtaStsController mta_sts({*policies, sts_rollouts, engine, sts_evidence, clock, random});
  SpfTermDesk spf_terms(parts, reports, *resolver);
  const std::unique_ptr<grpc::Service> services[] = {
      MakeDomainService(parts, suffixes, config.address_domain, publisher,
                        {*policies, *policies, policies->mta_sts_rollouts(), *policies}),
      MakeCatalogueService(parts, services_known, catalogue_desk),
      MakeSourceService(parts, *resolver, {&network, policies.get(), policies.get()}),
      MakeStatsService(parts, reports, suffixes),
      MakeRecordService(parts, *resolver, *authoritative, *policies, look_inbound),
      MakeChangeService(parts, engine, spf_terms),
      MakeFleetService(parts, *policies, fleets),
      MakeReportService(parts, reports, suffixes),
      MakeProviderService(parts, providers, *policies),
      MakeInsightService(parts, *policies, insights),
      MakeAlertService(parts, *policies, alerts),
      MakeRolloutService(parts, *policies, rollouts),
      MakeRolloutRulesService(parts, rollout_rules),
      MakeStatusService(parts, *policies, *policies, *policies, sts_rollouts),
      MakeMtaStsService(parts, *resolver, sts_files),
      MakeMtaStsRolloutService(parts, sts_rollouts, *resolver, mta_sts),
  };
  std::vector<grpc::Service*> served;
  for (const auto& service : services) served.push_back(service.get());
  DMARCATE_ASSIGN_OR_RETURN(const auto server, GrpcServer::Start(config.listen, host, served));
  server->SetHealth("reports", GrpcServer::Serving::kNo);
  reports.CallWhenReady([&server] { server->SetHealth("reports", GrpcServer::Serving::kYes); });
  if (!config.snapshot_file.empty()) {
    publisher.CallOnChange([&server](bool up_to_date) {
      server->SetHealth("snapshot",
                        up_to_date ? GrpcServer::Serving::kYes : GrpcServer::Serving::kNo);
    });
  }
  MtaStsServed sts_served(sts_rollouts, clock);
  StsDirectory sts_directory(config.mta_sts_directory);
  const PageSources pages_of{
      .is_ready = [&reports] { return reports.Reader().ok(); },
      .sts_file = [&](const DomainName& domain) -> std::optional<std::string> {
        // What a rollout owns goes before what a person put there.
        if (auto file = sts_served.Find(domain); file.has_value()) return file;
        if (config.mta_sts_directory.empty()) return std::nullopt;
        return sts_directory.Find(domain);
      }};
  std::unique_ptr<HttpPort> http_port;
  if (config.http) {
    DMARCATE_ASSIGN_OR_RETURN(http_port, HttpPort::Start(config.http->address, config.http->port,
                                                         [&pages_of](const HttpQuestion& question) {
                                                           return AnswerPage(question, pages_of);
                                                         }));
  }
  DMARCATE_RETURN_IF_ERROR(fleets.TakeUp());
  Ticker publish(kPublishInterval, [&publisher] { publisher.Publish().IgnoreError(); });
  Ticker follow(kFollowInterval, [&reports, &analysis, &clock] {
    if (reports.Tick().ok()) analysis.Freshen(clock.Now() + kFreshenLimit);
  });
  Ticker resume(kResumeInterval, [&engine] {
    if (const absl::Status status = engine.Resume(); !status.ok()) {
      LogError("resume_failed", {{"error", status}});
    }
  });
  SpfFollower spf_follower(*policies, *policies, engine, clock, config.spf_follow);
  const absl::Duration look_for_vendors =
      config.watch_interval > absl::ZeroDuration()
          ? std::min(config.watch_interval, kFollowVendorsInterval)
          : kFollowVendorsInterval;
  Ticker follow_vendors(look_for_vendors, [&spf_follower] { spf_follower.Tick(); });
  Ticker tell(kTellInterval, [&alerts] { alerts.Tick(); });
  // Reports that are not there yet, or not caught up with, are missing evidence: nothing is done on
  // it.
  RolloutWatcher rollout_watcher({*policies, *policies, insights, clock});
  Ticker rollout(kRolloutInterval, [&rollouts, &rollout_watcher] {
    rollouts.Tick().IgnoreError();
    rollout_watcher.Tick();
  });
  MtaStsWatcher sts_watcher({*policies, sts_rollouts, insights, clock});
  Ticker sts_rollout(kRolloutInterval, [&mta_sts, &sts_watcher] {
    mta_sts.Tick().IgnoreError();
    sts_watcher.Tick();
  });
  SystemPacer watch_pacer;
  SelectorMemory selectors(analysis, clock);
  RecordWatcher watcher(
      {*policies, *policies, *resolver, *authoritative, clock, watch_pacer,
       [&selectors](const std::string& domain) { return selectors.Get(domain); }, &insights},
      {.interval = config.watch_interval, .looks_per_second = config.watch_looks_per_second});
  if (config.watch_interval > absl::ZeroDuration()) watcher.Start();
  SystemPacer gather_pacer, report_pacer;
  std::optional<NetworkGatherer> gatherer;
  if (config.source_lookups_per_second > 0) {
    gatherer.emplace(network, catalogue, *resolver, clock, gather_pacer,
                     GatherOptions{.lookups_per_second = config.source_lookups_per_second});
    gatherer->Follow(services_known);
    gatherer->Start();
  }
  ReportWatcher report_watcher({*policies, reports, analysis, clock, report_pacer, suffixes,
                                &insights, gatherer ? &*gatherer : nullptr, &network},
                               kReportInterval);
  report_watcher.Start();
  LogInfo("started", {{"socket", config.listen.unix_socket},
                      {"port", server->port()},
                      {"store", config.store_directory},
                      {"reports", config.reports_directory}});
  WaitForSignal();

  LogInfo("stopping", {});
  rollouts.BeginStop();
  mta_sts.BeginStop();
  sts_evidence.BeginStop();
  http_port.reset();
  rollout.Stop();
  sts_rollout.Stop();
  resume.Stop();
  publish.Stop();
  host.StartDraining();
  fleets.BeginStop();
  engine.Stop();  // calls that wait for a change are answered with the step it has reached
  follow_vendors.Stop();
  alerts.Stop();
  watcher.BeginStop();
  report_watcher.BeginStop();
  if (gatherer) gatherer->BeginStop();
  selectors.Stop();
  server->Drain(config.drain_limit);
  fleets.Stop();
  tell.Stop();
  watcher.Stop();
  report_watcher.Stop();
  if (gatherer) gatherer->Stop();
  follow.Stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace dmarcate

int main(int argc, char** argv) {
  dmarcate::PolicydConfig config;
  std::unique_ptr<dmarcate::PublicSuffixList> suffixes;
  std::unique_ptr<dmarcate::Catalogue> catalogue;
  return dmarcate::RunDaemon(
      argc, argv,
      {.name = "policyd",
       .purpose = "Shows who sends as your domains, and writes the records that follow from it.",
       .config_file = "/etc/dmarcate/policyd.toml",
       .load = [&](const std::string& path) -> absl::StatusOr<dmarcate::LogConfig> {
         DMARCATE_ASSIGN_OR_RETURN(config, dmarcate::LoadPolicydConfig(path));
         auto loaded = dmarcate::LoadPublicSuffixFile(config.public_suffix_file);
         if (!loaded.ok()) return dmarcate::Annotate(loaded.status(), path);
         suffixes = *std::move(loaded);
         auto own = dmarcate::LoadCatalogue(config.catalogue_file, *suffixes);
         if (!own.ok()) return dmarcate::Annotate(own.status(), path);
         catalogue = *std::move(own);
         return config.log;
       },
       .check = [&config] { return dmarcate::CheckStart(config); },
       .run =
           [&] {
             return dmarcate::Run(
                 config, *suffixes,
                 catalogue == nullptr ? dmarcate::Catalogue::Default() : *catalogue);
           }});
}
