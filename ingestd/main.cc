// ingestd/main.cc
// Builds ingestd's object graph: intakes -> pipeline -> reports store. Nothing here branches on
// policy.

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "ingestd/config.h"
#include "ingestd/intake/imap/intake.h"
#include "ingestd/intake/maildir.h"
#include "ingestd/intake/retention.h"
#include "ingestd/intake/service.h"
#include "ingestd/intake/smtp/sender_gate.h"
#include "ingestd/intake/smtp/server.h"
#include "ingestd/intake/snapshot_watcher.h"
#include "ingestd/pipeline/crash_journal.h"
#include "ingestd/pipeline/heap.h"
#include "ingestd/pipeline/pipeline.h"
#include "ingestd/pipeline/verification.h"
#include "ingestd/start_check.h"
#include "ingestd/stoppable_resolver.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/random.h"
#include "lib/base/status_macros.h"
#include "lib/dns/ldns_resolver.h"
#include "lib/imap/curl_session.h"
#include "lib/inspect/public_suffix_file.h"
#include "lib/report/address_tokens.h"
#include "lib/rpc/auth.h"
#include "lib/rpc/daemon.h"
#include "lib/rpc/server.h"
#include "lib/rpc/signals.h"
#include "lib/store/rocks_report_store.h"
#include "lib/unpack/unpack.h"

namespace dmarcate {
namespace {

constexpr mode_t kDirectoryMode = 0750;
constexpr size_t kAnchorFileLimitBytes = 1 << 20;
// Each waits for the answer to one call that holds up to 3 MiB.
constexpr size_t kHandlerThreads = 8;
constexpr size_t kHandlerQueue = 16;
// Beyond shutdown.limit, for reports that are being read and for goodbyes; with the default limit
// less than systemd allows.
constexpr absl::Duration kExitGrace = absl::Seconds(6);
constexpr absl::Duration kLongestLookup = absl::Seconds(5);
constexpr absl::Duration kKeepDnsErrors = absl::Seconds(30);
// For answers that came last.
constexpr absl::Duration kGoodbye = absl::Seconds(1);

absl::StatusOr<AnchorList> LoadAnchors(const std::string& path, const PublicSuffixList& suffixes) {
  if (path.empty()) return AnchorList::Parse(ShippedAnchors(), "anchors.toml", suffixes);
  const auto text = ReadFile(path, kAnchorFileLimitBytes);
  if (!text.ok()) return Annotate(text.status(), "trust.anchors");
  auto anchors = AnchorList::Parse(*text, path, suffixes);
  if (!anchors.ok()) return Annotate(anchors.status(), "trust.anchors");
  return anchors;
}

// Without a checker where nothing is to be verified.
absl::StatusOr<Verification> MakeVerification(const IngestConfig& config,
                                              StoppableResolver& resolver,
                                              const PublicSuffixList& suffixes,
                                              const Clock& clock) {
  Verification out;
  if (!config.verify) return out;
  out.checker = MakeCarrierChecker(resolver, suffixes, clock);
  DMARCATE_ASSIGN_OR_RETURN(out.anchors, LoadAnchors(config.anchor_file, suffixes));
  out.clock = &clock;
  out.limits = config.limits;
  out.threads = config.check_threads;
  out.stopping = [&resolver] { return resolver.stopped(); };
  return out;
}

// The store's last word, for the exit code.
class Failure {
 public:
  void Set(const absl::Status& status) {
    {
      const std::lock_guard lock(mutex_);
      status_ = status;
    }
    kill(getpid(), SIGTERM);  // drain and end; only a new start can write again (safety.md D2)
  }
  absl::Status status() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  mutable std::mutex mutex_;
  absl::Status status_;
};

// Ends the process if it still runs after `limit`: one mail may take long to read, and a thread
// cannot be ended. What is durable stays so; the next start reads what is left.
class ExitDeadline {
 public:
  explicit ExitDeadline(absl::Duration limit)
      : thread_([this, limit] {
          std::unique_lock lock(mutex_);
          if (ended_.wait_for(lock, absl::ToChronoMilliseconds(limit), [this] { return done_; })) {
            return;
          }
          LogError("stop_overdue", {{"limit", absl::FormatDuration(limit)}});
          std::_Exit(1);
        }) {}
  ~ExitDeadline() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    ended_.notify_all();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool done_ = false;
  std::thread thread_;  // last: it uses the others
};

absl::Status Run(const IngestConfig& config, const PublicSuffixList& suffixes) {
  SystemClock clock;
  SystemRandom random;
  Failure failure;
  DMARCATE_RETURN_IF_ERROR(MakeDirectories(config.store_directory, kDirectoryMode));
  DMARCATE_ASSIGN_OR_RETURN(const auto store, RocksReportWriter::Open(config.store_directory));
  DMARCATE_ASSIGN_OR_RETURN(const auto crashes,
                            CrashJournal::Open(config.store_directory + "/crashes"));
  DMARCATE_RETURN_IF_ERROR(MakeDirectories(
      std::filesystem::path(config.listen.token_file).parent_path(), kDirectoryMode));
  DMARCATE_ASSIGN_OR_RETURN(const Secret token, ReadOrMakeToken(config.listen.token_file, random));
  const Authenticator authenticator(token, config.listen.local_trust);
  WorkerPool workers(kHandlerThreads, kHandlerQueue);
  CallHost host(authenticator, workers);
  ByteBudget room(config.queue_bytes);
  // Of those who can wait: none of them takes room from a sender, and bulk import needs no more.
  ByteBudget bulk_room(config.queue_bytes / 2);
  StorageGauge gauge(clock, config.watermarks,
                     [&config] { return UsedPercent(config.store_directory); });
  PipelineOptions pipeline_options = config.pipeline;
  pipeline_options.admit_rows = [&gauge] { return gauge.AdmitRows(); };
  DMARCATE_ASSIGN_OR_RETURN(const Secret redaction_key,
                            ReadOrMakeToken(config.RedactionKeyFile(), random));
  const AddressTokens tokens{std::string(redaction_key.Reveal())};
  if (config.redact_failure_reports) pipeline_options.failure_tokens = &tokens;
  // One mail asks for several names of its sender's choice, and waits for none for long.
  DnsConfig dns_config = config.dns;
  dns_config.deadline = std::min(dns_config.deadline, kLongestLookup);
  DMARCATE_ASSIGN_OR_RETURN(const auto dns,
                            LdnsResolver::Create(dns_config, clock, kKeepDnsErrors));
  StoppableResolver resolver(*dns);
  DMARCATE_ASSIGN_OR_RETURN(Verification verification,
                            MakeVerification(config, resolver, suffixes, clock));
  SenderGate senders(config.smtp.budgets, suffixes, clock,
                     config.store_directory + "/anchor-senders");
  verification.verified = [&senders](const Envelope& envelope, const CarrierAuth& auth,
                                     TrustClass best) { senders.Learn(envelope, auth, best); };
  Pipeline pipeline(
      *store, suffixes, *crashes,
      [&config](std::string content, const UnpackHints& hints) {
        return Unpack(std::move(content), hints, config.limits);
      },
      [&failure](const absl::Status& status) { failure.Set(status); }, pipeline_options,
      std::move(verification));
  RetentionSweeper sweeper(clock, config.retention, pipeline, config.sweeper);
  IntakeService intake({host, pipeline, bulk_room, gauge, *store, config.limits.message_bytes});

  DMARCATE_RETURN_IF_ERROR(pipeline.Start());
  sweeper.Start();
  DMARCATE_ASSIGN_OR_RETURN(const auto maildirs,
                            MaildirWatcher::Start(config.maildirs, config.limits.message_bytes,
                                                  pipeline, bulk_room, gauge));
  CurlImapConnector imap_connector;
  DMARCATE_ASSIGN_OR_RETURN(
      const auto imap,
      ImapIntake::Start(config.imap, {.clock = clock,
                                      .connector = imap_connector,
                                      .pipeline = pipeline,
                                      .budget = bulk_room,
                                      .gauge = gauge,
                                      .bookmark_directory = config.store_directory + "/imap",
                                      .message_limit_bytes = config.limits.message_bytes}));
  DMARCATE_ASSIGN_OR_RETURN(const auto server,
                            GrpcServer::Start(config.listen, host, {intake.service()}));
  const std::string address_key = random.Bytes(32);
  SnapshotWatcher snapshots(config.smtp.snapshot_file);
  const std::optional<Snapshot> snapshot = snapshots.Look();  // before anybody asks
  DMARCATE_ASSIGN_OR_RETURN(
      const auto smtp,
      SmtpServer::Start(
          config.smtp, {pipeline, room, gauge, clock, senders},
          snapshot ? std::make_shared<const AddressTable>(*snapshot, address_key) : nullptr));
  snapshots.Watch(SnapshotWatcher::kInterval, [&smtp, &address_key](const Snapshot& newer) {
    smtp->SetAddresses(std::make_shared<const AddressTable>(newer, address_key));
  });
  LogInfo("started", {{"socket", config.listen.unix_socket},
                      {"port", server->port()},
                      {"store", config.store_directory},
                      {"maildirs", config.maildirs.size()},
                      {"smtp_listeners", config.smtp.smtp.tcp.size()},
                      {"lmtp", config.smtp.lmtp.listens()},
                      {"imap_accounts", config.imap.size()}});
  WaitForSignal();

  LogInfo("stopping", {});
  const ExitDeadline exit_deadline(config.drain_limit + kExitGrace);
  const absl::Time until = absl::Now() + config.drain_limit;
  snapshots.Stop();
  maildirs->Stop();
  imap->Stop();
  sweeper.Stop();
  resolver.Stop();
  host.StartDraining();
  intake.EndImports();
  smtp->Drain(config.drain_limit / 2);  // messages that are under way
  bulk_room.Close();
  room.Close();  // who still waits for room would wait for the others
  // First what sessions and calls wait for, then they: all are answered when this returns.
  pipeline.Stop(std::max(until - absl::Now(), kGoodbye));
  senders.Save();
  smtp->Stop(kGoodbye);
  server->Drain(std::max(until - absl::Now(), kGoodbye));
  return failure.status();
}

}  // namespace
}  // namespace dmarcate

int main(int argc, char** argv) {
  dmarcate::BoundTheHeap();
  dmarcate::IngestConfig config;
  std::unique_ptr<dmarcate::PublicSuffixList> suffixes;
  return dmarcate::RunDaemon(
      argc, argv,
      {.name = "ingestd",
       .purpose = "Receives DMARC reports, keeps them and counts them.",
       .config_file = "/etc/dmarcate/ingestd.toml",
       .load = [&](const std::string& path) -> absl::StatusOr<dmarcate::LogConfig> {
         DMARCATE_ASSIGN_OR_RETURN(config, dmarcate::LoadIngestConfig(path));
         auto loaded = dmarcate::LoadPublicSuffixFile(config.public_suffix_file);
         if (!loaded.ok()) return dmarcate::Annotate(loaded.status(), path);
         suffixes = *std::move(loaded);
         if (!config.verify) return config.log;
         const auto anchors = dmarcate::LoadAnchors(config.anchor_file, *suffixes);
         if (!anchors.ok()) return dmarcate::Annotate(anchors.status(), path);
         return config.log;
       },
       .check = [&config] { return dmarcate::CheckIngestStart(config); },
       .run = [&] { return dmarcate::Run(config, *suffixes); }});
}
