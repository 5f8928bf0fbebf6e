#include "cli/fleet.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/call.h"
#include "cli/fleet_text.h"
#include "dmarcate/v1/fleet_change.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Fleet = v1::FleetChange;
using Stub = v1::FleetChangeService::Stub;

constexpr absl::Duration kStreamTimeout = absl::Minutes(10);
constexpr absl::Duration kPlainLine = absl::Seconds(10);
// policyd may be starting anew while it is watched; what it was at goes on.
constexpr absl::Duration kReconnectPatience = absl::Seconds(60);
constexpr absl::Duration kReconnectPause = absl::Seconds(1);

struct Options {
  std::vector<std::string> domains, states;
  std::string fleet, file, provider, under, retry_of, rollback_of, digest;
  bool all = false, spf = false, dmarc = false, dry_run = false, detach = false;
  int canaries = -1, max_failures = -1, parallel = 0;
  PageOptions page;
};

std::string FleetResource(std::string_view fleet) {
  return fleet.starts_with("fleetChanges/") ? std::string(fleet)
                                            : fmt::format("fleetChanges/{}", fleet);
}

void Show(const App& app, const Fleet& fleet) {
  if (app.format() == Format::kTable || app.format() == Format::kWide) {
    WriteOut(FleetText(fleet));
  } else {
    Print(app.format(), fleet, "", OneFleet(fleet));
  }
}

int ExitCodeFor(const Fleet& fleet) {
  const v1::FleetProgress& progress = fleet.progress();
  switch (fleet.state()) {
    case Fleet::STATE_PLANNED:
    case Fleet::STATE_SUCCEEDED:
      return progress.refused() + progress.unplannable() > 0 ? kPartFailed : kDone;
    case Fleet::STATE_FAILED:
      return progress.succeeded() > 0 ? kPartFailed : progress.refused() > 0 ? kRefused : kFailed;
    case Fleet::STATE_EXPIRED:
      return kChangedUnderneath;
    case Fleet::STATE_PAUSED:
      return kPartFailed;
    case Fleet::STATE_CANCELLED:
      return kDone;
    default:
      return kStillRunning;
  }
}

// How it stands on stderr: one redrawn line on a terminal, elsewhere one each ten percent or ten
// seconds.
class Line {
 public:
  void Draw(const Fleet& fleet) {
    if (StderrIsTerminal()) {
      WriteErr(fmt::format("\r\033[K{}", FleetLine(fleet)));
      open_ = true;
      return;
    }
    const int percent = PercentDone(fleet) / 10;
    const absl::Time now = absl::Now();
    if (percent == percent_ && fleet.state() == state_ && now - drawn_ < kPlainLine) return;
    WriteErr(FleetLine(fleet) + "\n");
    percent_ = percent;
    state_ = fleet.state();
    drawn_ = now;
  }
  void End() {
    if (open_) WriteErr("\r\033[K");
    open_ = false;
  }

 private:
  bool open_ = false;
  int percent_ = -1;
  Fleet::State state_ = Fleet::STATE_UNSPECIFIED;
  absl::Time drawn_ = absl::InfinitePast();
};

// Until policyd does not go on by itself any more.
grpc::Status Watch(App* app, Stub& stub, const std::string& name, Fleet* fleet) {
  Line line;
  absl::Time heard = absl::Now();
  grpc::Status status;
  v1::WatchFleetChangeRequest request;
  request.set_name(name);
  while (true) {
    grpc::ClientContext context;
    app->Prepare(&context, App::Daemon::kPolicyd, kStreamTimeout);
    const auto reader = stub.WatchFleetChange(&context, request);
    v1::WatchFleetChangeResponse response;
    while (reader->Read(&response)) {
      *fleet = response.fleet_change();
      heard = absl::Now();
      line.Draw(*fleet);
    }
    status = reader->Finish();
    if (status.ok()) break;
    const bool passing = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                         status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
    if (!passing || absl::Now() - heard > kReconnectPatience) break;
    absl::SleepFor(kReconnectPause);
  }
  line.End();
  return status;
}

// The result, with what to do next.
int Finish(const App& app, const Fleet& fleet) {
  Show(app, fleet);
  if (app.format() != Format::kTable) return ExitCodeFor(fleet);
  FlushOut();
  const v1::FleetProgress& progress = fleet.progress();
  if (fleet.state() == Fleet::STATE_PLANNED) {
    app.Note(fmt::format("next: dmarcate fleet apply {}", fleet.name()));
  } else if (fleet.state() == Fleet::STATE_PAUSED) {
    app.Note(
        fmt::format("next: dmarcate fleet resume {0}, or dmarcate fleet cancel {0}", fleet.name()));
  }
  if (progress.failed() + progress.rolled_back() + progress.needs_attention() > 0) {
    app.Note(fmt::format("which ones: dmarcate fleet domains {0} --state failed", fleet.name()));
    if (!IsAtWork(fleet)) {
      app.Note(fmt::format("those again: dmarcate fleet plan --retry-of {}", fleet.name()));
    }
  }
  return ExitCodeFor(fleet);
}

int WatchAndFinish(App* app, Stub& stub, Fleet fleet, std::string_view what) {
  const std::string name = fleet.name();
  const grpc::Status status = Watch(app, stub, name, &fleet);
  if (!status.ok()) {
    app->Note(fmt::format("it goes on; look again: dmarcate fleet watch {}", name));
    return app->Fail(what, status);
  }
  return Finish(*app, fleet);
}

// One domain a line; empty lines and those that begin with # say nothing.
std::optional<std::vector<std::string>> ReadDomains(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::vector<std::string> domains;
  for (std::string line; std::getline(file, line);) {
    const std::string_view domain = TrimAscii(line);
    if (!domain.empty() && !domain.starts_with('#')) domains.emplace_back(domain);
  }
  return domains;
}

int Plan(App* app, const Options& options) {
  v1::CreateFleetChangeRequest request;
  v1::FleetSelection* selection = request.mutable_selection();
  std::vector<std::string> domains = options.domains;
  if (!options.file.empty()) {
    const auto read = ReadDomains(options.file);
    if (!read) {
      return app->Fail(kUsage, "USAGE", "command line",
                       fmt::format("--domains-file {}: cannot be read", options.file));
    }
    domains.insert(domains.end(), read->begin(), read->end());
  }
  const bool narrowed = !options.provider.empty() || !options.under.empty() ||
                        !options.retry_of.empty() || !options.rollback_of.empty();
  if (domains.empty() && (!options.file.empty() || (!options.all && !narrowed))) {
    return app->Fail(kUsage, "USAGE", "fleet plan", "no domains were named",
                     {"dmarcate fleet plan --all", "dmarcate fleet plan --domains-file FILE"});
  }
  if (options.all && !domains.empty()) {
    return app->Fail(kUsage, "USAGE", "fleet plan", "--all, and domains by name");
  }
  for (const std::string& domain : domains) selection->add_domains(DomainResource(domain));
  if (!options.provider.empty()) {
    selection->set_dns_provider(options.provider.starts_with("dnsProviders/")
                                    ? options.provider
                                    : fmt::format("dnsProviders/{}", options.provider));
  }
  selection->set_under(options.under);
  if (!options.retry_of.empty()) selection->set_retry_of(FleetResource(options.retry_of));
  if (!options.rollback_of.empty()) selection->set_rollback_of(FleetResource(options.rollback_of));
  if (options.spf || options.dmarc) {
    request.mutable_intent()->set_spf_from_decisions(options.spf);
    request.mutable_intent()->set_dmarc_report_address(options.dmarc);
  }
  const auto stub = v1::FleetChangeService::NewStub(app->policyd());
  v1::CreateFleetChangeResponse response;
  const grpc::Status status = Call(app, *stub, &Stub::CreateFleetChange, request, &response);
  if (!status.ok()) return app->Fail("fleet change not planned", status);
  return WatchAndFinish(app, *stub, response.fleet_change(), "fleet change not watched");
}

grpc::Status Get(App* app, Stub& stub, const Options& options, Fleet* fleet) {
  v1::GetFleetChangeRequest request;
  request.set_name(FleetResource(options.fleet));
  v1::GetFleetChangeResponse response;
  const grpc::Status status = Call(app, stub, &Stub::GetFleetChange, request, &response);
  *fleet = response.fleet_change();
  return status;
}

int Apply(App* app, const Options& options) {
  const auto stub = v1::FleetChangeService::NewStub(app->policyd());
  Fleet fleet;
  grpc::Status status = Get(app, *stub, options, &fleet);
  if (!status.ok()) return app->Fail("fleet change not read", status);
  const bool planned = fleet.state() == Fleet::STATE_PLANNED;
  if (planned) WriteErr(FleetText(fleet));
  if (planned && !options.dry_run &&
      !app->Confirm(Confirmation::kSerious,
                    fmt::format("write this to the DNS of {}?",
                                Counted(fleet.progress().waiting(), "domain")))) {
    app->Note("the plan is kept");
    return kFailed;
  }
  v1::ApplyFleetChangeRequest request;
  request.set_name(fleet.name());
  request.set_etag(fleet.etag());
  request.set_plan_digest(options.digest.empty() ? fleet.plan_digest() : options.digest);
  if (options.canaries >= 0) request.mutable_limits()->set_canaries(options.canaries);
  if (options.max_failures >= 0) request.mutable_limits()->set_max_failures(options.max_failures);
  request.mutable_limits()->set_parallel(options.parallel);
  request.set_validate_only(options.dry_run);
  v1::ApplyFleetChangeResponse response;
  status = Call(app, *stub, &Stub::ApplyFleetChange, request, &response);
  if (!status.ok()) return app->Fail("fleet change not applied", status);
  if (options.dry_run || options.detach) {
    Show(*app, response.fleet_change());
    if (options.detach) {
      app->Note(fmt::format("it goes on; look: dmarcate fleet watch {}", fleet.name()));
    }
    return options.dry_run ? static_cast<int>(kDone) : ExitCodeFor(response.fleet_change());
  }
  return WatchAndFinish(app, *stub, response.fleet_change(), "fleet change not watched");
}

// One of the calls that only move it.
template <typename Request, typename Response>
int Act(App* app, const Options& options,
        grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
        std::string_view what) {
  const auto stub = v1::FleetChangeService::NewStub(app->policyd());
  Fleet fleet;
  grpc::Status status = Get(app, *stub, options, &fleet);
  if (!status.ok()) return app->Fail("fleet change not read", status);
  Request request;
  request.set_name(fleet.name());
  request.set_etag(fleet.etag());
  request.set_validate_only(options.dry_run);
  if constexpr (std::is_same_v<Request, v1::ResumeFleetChangeRequest>) {
    if (options.max_failures >= 0) request.set_max_failures(options.max_failures);
  }
  Response response;
  status = Call(app, *stub, method, request, &response);
  if (!status.ok()) return app->Fail(what, status);
  Show(*app, response.fleet_change());
  return kDone;
}

int ShowOne(App* app, const Options& options) {
  const auto stub = v1::FleetChangeService::NewStub(app->policyd());
  Fleet fleet;
  const grpc::Status status = Get(app, *stub, options, &fleet);
  if (!status.ok()) return app->Fail("fleet change not read", status);
  Show(*app, fleet);
  return kDone;
}

int WatchOne(App* app, const Options& options) {
  const auto stub = v1::FleetChangeService::NewStub(app->policyd());
  Fleet fleet;
  fleet.set_name(FleetResource(options.fleet));
  return WatchAndFinish(app, *stub, fleet, "fleet change not watched");
}

// As --state takes them.
std::vector<std::string> MemberStates() {
  std::vector<std::string> out;
  const auto* states = v1::FleetMember::State_descriptor();
  for (int i = 0; i < states->value_count(); ++i) {
    if (states->value(i)->number() == v1::FleetMember::STATE_UNSPECIFIED) continue;
    std::string name = StateText(static_cast<v1::FleetMember::State>(states->value(i)->number()));
    std::ranges::replace(name, '_', '-');
    std::ranges::replace(name, ' ', '-');
    out.push_back(std::move(name));
  }
  return out;
}

int Domains(App* app, const Options& options) {
  v1::ListFleetMembersRequest request;
  request.set_parent(FleetResource(options.fleet));
  options.page.Fill(&request);
  for (std::string state : options.states) {
    for (char& c : state) c = c == '-' ? '_' : static_cast<char>(std::toupper(c));
    v1::FleetMember::State parsed = v1::FleetMember::STATE_UNSPECIFIED;
    if (!v1::FleetMember::State_Parse("STATE_" + state, &parsed)) {
      return app->Fail(
          kUsage, "USAGE", "command line",
          fmt::format("--state {}: no such state; want one of {}",
                      EscapeForTerminal(AsciiLower(state)), Join(MemberStates(), ", ")),
          {"dmarcate fleet domains --help"});
    }
    request.add_states(parsed);
    if (parsed != v1::FleetMember::STATE_FAILED) continue;
    request.add_states(v1::FleetMember::STATE_ROLLED_BACK);
    request.add_states(v1::FleetMember::STATE_NEEDS_ATTENTION);
  }
  const auto stub = v1::FleetChangeService::NewStub(app->policyd());
  v1::ListFleetMembersResponse response;
  const grpc::Status status = Call(app, *stub, &Stub::ListFleetMembers, request, &response);
  if (!status.ok()) return app->Fail("domains not listed", status);
  Print(app->format(), response, "fleet_members", FleetMemberTable(response.fleet_members()));
  NoteNextPage(*app, response);
  return kDone;
}

int List(App* app, const Options& options) {
  v1::ListFleetChangesRequest request;
  options.page.Fill(&request);
  const auto stub = v1::FleetChangeService::NewStub(app->policyd());
  v1::ListFleetChangesResponse response;
  const grpc::Status status = Call(app, *stub, &Stub::ListFleetChanges, request, &response);
  if (!status.ok()) return app->Fail("fleet changes not listed", status);
  Print(app->format(), response, "fleet_changes", FleetTable(response.fleet_changes()));
  NoteNextPage(*app, response);
  return kDone;
}

}  // namespace

void AddFleet(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group =
      root->add_subcommand("fleet", "the same change of many domains: plan, apply, watch, undo");
  group->require_subcommand(1);
  const auto run = [&](CLI::App* command, int (*act)(App*, const Options&)) {
    app->OnSelected(command, [app, options, act] { return act(app, *options); });
  };
  const auto one = [&](const char* name, const char* purpose) {
    CLI::App* command = group->add_subcommand(name, purpose);
    command->add_option("FLEET", options->fleet, "fleet change id or resource name")->required();
    return command;
  };

  CLI::App* plan = group->add_subcommand("plan", "what many domains would change; writes no DNS");
  plan->add_option("DOMAIN", options->domains, "domains by name");
  plan->add_flag("--all", options->all, "all managed domains");
  plan->add_option("--domains-file", options->file, "a file with one domain a line");
  plan->add_option("--provider", options->provider, "only those bound to this provider account");
  plan->add_option("--under", options->under, "only this name and those below it");
  plan->add_flag("--spf", options->spf, "only SPF, from the decisions about sources");
  plan->add_flag("--dmarc", options->dmarc, "only rua=, from each domain's report mailbox");
  plan->add_option("--retry-of", options->retry_of,
                   "only what did not succeed in this fleet change");
  plan->add_option("--rollback-of", options->rollback_of, "undo what this fleet change applied");
  plan->footer(
      "Examples:\n  dmarcate fleet plan --all --dmarc\n"
      "  dmarcate fleet plan --domains-file customers.txt\n"
      "  dmarcate fleet plan --retry-of 01jd2y4q8zj0k5c6v7w8x9y0ab\n"
      "  dmarcate fleet plan --rollback-of 01jd2y4q8zj0k5c6v7w8x9y0ab");
  run(plan, Plan);

  CLI::App* apply = one("apply", "write what the plan shows: a few domains first, then the rest");
  apply->add_option("--canaries", options->canaries, "so many domains first; default 5")
      ->check(CLI::NonNegativeNumber.description(""));
  apply->add_option("--max-failures", options->max_failures, "one more pauses it; default 5")
      ->check(CLI::NonNegativeNumber.description(""));
  apply->add_option("--parallel", options->parallel, "domains at once, at most 8")
      ->check(CLI::Range(1, 8).description(""));
  apply->add_option("--digest", options->digest, "apply only if the plan has this digest");
  apply->add_flag("--detach", options->detach, "do not watch it");
  apply->add_flag("--dry-run", options->dry_run, "only whether it can be applied");
  apply->footer(
      "Examples:\n  dmarcate fleet apply 01jd2y4q8zj0k5c6v7w8x9y0ab\n"
      "  dmarcate fleet apply 01jd2y4q8zj0k5c6v7w8x9y0ab --canaries 10 --max-failures 3 --yes");
  run(apply, Apply);

  CLI::App* watch = one("watch", "follow it until nothing goes on by itself any more");
  watch->footer("Examples:\n  dmarcate fleet watch 01jd2y4q8zj0k5c6v7w8x9y0ab");
  run(watch, WatchOne);

  CLI::App* show = one("show", "how it stands: counts, and reasons in groups");
  show->footer("Examples:\n  dmarcate fleet show 01jd2y4q8zj0k5c6v7w8x9y0ab -o json");
  run(show, ShowOne);

  CLI::App* domains = one("domains", "its domains, each with its change and why it failed");
  domains->add_option(
      "--state", options->states,
      fmt::format("only in this state, may be repeated: {}; failed means rolled-back and "
                  "needs-attention, too",
                  Join(MemberStates(), ", ")));
  options->page.Add(domains);
  domains->footer(
      "Examples:\n  dmarcate fleet domains 01jd2y4q8zj0k5c6v7w8x9y0ab --state failed\n"
      "  dmarcate fleet domains 01jd2y4q8zj0k5c6v7w8x9y0ab --limit 1000 -o csv");
  run(domains, Domains);

  CLI::App* pause = one("pause", "no other domain begins; those that have go on to their end");
  pause->add_flag("--dry-run", options->dry_run, "only whether it can be paused");
  pause->footer("Examples:\n  dmarcate fleet pause 01jd2y4q8zj0k5c6v7w8x9y0ab");
  app->OnSelected(pause, [app, options] {
    return Act(app, *options, &Stub::PauseFleetChange, "fleet change not paused");
  });

  CLI::App* resume = one("resume", "go on; what has failed so far counts no more");
  resume->add_option("--max-failures", options->max_failures, "from now on; default: as before")
      ->check(CLI::NonNegativeNumber.description(""));
  resume->add_flag("--dry-run", options->dry_run, "only whether it can go on");
  resume->footer("Examples:\n  dmarcate fleet resume 01jd2y4q8zj0k5c6v7w8x9y0ab");
  app->OnSelected(resume, [app, options] {
    return Act(app, *options, &Stub::ResumeFleetChange, "fleet change not resumed");
  });

  CLI::App* cancel = one("cancel", "for good: withdraw what has not begun");
  cancel->add_flag("--dry-run", options->dry_run, "only whether it can be cancelled");
  cancel->footer("Examples:\n  dmarcate fleet cancel 01jd2y4q8zj0k5c6v7w8x9y0ab");
  app->OnSelected(cancel, [app, options] {
    return Act(app, *options, &Stub::CancelFleetChange, "fleet change not cancelled");
  });

  CLI::App* list = group->add_subcommand("list", "fleet changes, newest first");
  options->page.Add(list);
  list->footer("Examples:\n  dmarcate fleet list");
  run(list, List);
}

}  // namespace dmarcate::cli
