// dmarcate rollout: the policy of a domain, from p=none to p=reject.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/messages.h"
#include "cli/rollout_fields.h"
#include "cli/rollout_rules.h"
#include "cli/rollout_text.h"
#include "dmarcate/v1/rollout.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::RolloutService::Stub;

// All reports of half a year, and the live DNS.
constexpr absl::Duration kExplainTimeout = absl::Minutes(3);
constexpr absl::Duration kWatchInterval = absl::Seconds(5);
constexpr absl::Duration kStepInterval = absl::Seconds(2);
constexpr absl::Duration kStepPatience = absl::Minutes(3);

struct Options {
  std::string domain = "-", scope = "domain", to, note, etag;
  double accept_bound = 0;
  int days = 0, traffic_days = 0;
  bool dry_run = false, watch = false, log = false;
  PageOptions page;
  RolloutFields start, set, simulate;
};

v1::Rollout::Scope ScopeOf(const std::string& text) {
  if (text == "sp") return v1::Rollout::SCOPE_SUBDOMAINS;
  return text == "np" ? v1::Rollout::SCOPE_NON_EXISTENT : v1::Rollout::SCOPE_DOMAIN;
}

// What goes behind a command so that it means the same ladder.
std::string ScopeFlag(const Options& options) {
  return options.scope == "domain" ? "" : " --scope " + options.scope;
}

bool ForPeople(const App& app) { return app.format() == Format::kTable; }

void PrintOne(const App& app, const v1::Rollout& rollout) {
  if (ForPeople(app)) {
    WriteOut(RolloutText(rollout));
    return;
  }
  google::protobuf::RepeatedPtrField<v1::Rollout> one;
  *one.Add() = rollout;
  Print(app.format(), rollout, "", RolloutTable(one));
}

// The rollout of the domain and scope that moves; without one the newest that has ended.
grpc::Status Find(App* app, Stub& stub, const Options& options, v1::Rollout* found) {
  v1::ListRolloutsRequest request;
  request.set_parent(DomainResource(options.domain));
  request.set_page_size(1000);
  bool any = false;
  do {
    v1::ListRolloutsResponse response;
    const grpc::Status status = Call(app, stub, &Stub::ListRollouts, request, &response);
    if (!status.ok()) return status;
    for (const v1::Rollout& rollout : response.rollouts()) {
      if (rollout.scope() != ScopeOf(options.scope)) continue;
      const bool ended = rollout.state() == v1::Rollout::STATE_ABORTED;
      if (any && ended && found->state() != v1::Rollout::STATE_ABORTED) continue;
      *found = rollout;
      any = true;
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  if (any) return grpc::Status::OK;
  return {grpc::StatusCode::NOT_FOUND,
          fmt::format("{} has no rollout of scope {}", options.domain, options.scope)};
}

int FailToFind(const App& app, const Options& options, std::string_view failed,
               const grpc::Status& status) {
  // Else policyd says what was not found: the domain.
  if (status.error_code() != grpc::StatusCode::NOT_FOUND || !App::ReasonOf(status).empty()) {
    return app.Fail(failed, status);
  }
  return app.Fail(
      kNotFound, "RESOURCE_NOT_FOUND", failed, status.error_message(),
      {fmt::format("begin one: dmarcate rollout start {}{}", options.domain, ScopeFlag(options))});
}

// Finds it and does `act` with it; `failed` says what did not come of it otherwise.
template <typename Act>
int OnOne(App* app, const Options& options, std::string_view failed, Act act) {
  const auto stub = v1::RolloutService::NewStub(app->policyd());
  v1::Rollout rollout;
  const grpc::Status status = Find(app, *stub, options, &rollout);
  return status.ok() ? act(*stub, std::move(rollout)) : FailToFind(*app, options, failed, status);
}

grpc::Status Ask(App* app, Stub& stub, const v1::Rollout& rollout,
                 v1::ExplainRolloutResponse* response) {
  v1::ExplainRolloutRequest request;
  request.set_name(rollout.name());
  return Call(app, stub, &Stub::ExplainRollout, request, response, App::Daemon::kPolicyd,
              kExplainTimeout);
}

// Waits until no step is on its way.
grpc::Status AwaitStep(App* app, Stub& stub, v1::Rollout* rollout) {
  const absl::Time end = absl::Now() + kStepPatience;
  while (!rollout->pending_change().empty() ||
         rollout->abort_to() != v1::Rollout::STAGE_UNSPECIFIED) {
    if (absl::Now() > end) return grpc::Status::OK;
    absl::SleepFor(kStepInterval);
    v1::GetRolloutRequest request;
    request.set_name(rollout->name());
    v1::GetRolloutResponse response;
    const grpc::Status status = Call(app, stub, &Stub::GetRollout, request, &response);
    if (!status.ok()) return status;
    *rollout = response.rollout();
  }
  return grpc::Status::OK;
}

int TellStep(App* app, Stub& stub, const Options& options, v1::Rollout rollout) {
  const grpc::Status status = AwaitStep(app, stub, &rollout);
  PrintOne(*app, rollout);
  if (!status.ok()) return app->Fail("the step goes on; it could not be watched", status);
  if (!rollout.pending_change().empty()) {
    app->Note(fmt::format("it goes on: dmarcate changes watch {}", rollout.pending_change()));
    return kStillRunning;
  }
  if (rollout.abort_to() != v1::Rollout::STAGE_UNSPECIFIED) {
    app->Note(fmt::format("not done yet, and tried again; why: dmarcate rollout show {}{} --log",
                          options.domain, ScopeFlag(options)));
    return kStillRunning;
  }
  return kDone;
}

int Start(App* app, const Options& options) {
  v1::CreateRolloutRequest request;
  request.set_parent(DomainResource(options.domain));
  v1::Rollout& rollout = *request.mutable_rollout();
  rollout.set_scope(ScopeOf(options.scope));
  options.start.Fill(&rollout);
  request.set_validate_only(options.dry_run);
  v1::CreateRolloutResponse response;
  const auto stub = v1::RolloutService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::CreateRollout, request, &response,
                                   App::Daemon::kPolicyd, kExplainTimeout);
  if (App::ReasonOf(status) == "ROLLOUT_STATE") {  // there is none yet to be shown
    return app->Fail(
        kRefused, "ROLLOUT_STATE", "rollout not started", status.error_message(),
        {fmt::format("see what is live: dmarcate records show {}", options.domain),
         fmt::format("write a record that is missing: dmarcate changes plan {}", options.domain)});
  }
  if (!status.ok()) return app->Fail("rollout not started", status);
  PrintOne(*app, response.rollout());
  app->Note(options.dry_run ? std::string("checked only; nothing was started")
                            : fmt::format("see what it waits for: dmarcate rollout explain {}{}",
                                          options.domain, ScopeFlag(options)));
  return kDone;
}

int Set(App* app, const Options& options) {
  constexpr std::string_view kFailure = "rollout not changed";
  return OnOne(app, options, kFailure, [&](Stub& stub, const v1::Rollout& rollout) -> int {
    v1::UpdateRolloutRequest request;
    v1::Rollout& wanted = *request.mutable_rollout();
    options.set.Fill(&wanted, request.mutable_update_mask());
    wanted.set_name(rollout.name());
    wanted.set_etag(options.etag.empty() ? rollout.etag() : options.etag);
    request.set_validate_only(options.dry_run);
    v1::UpdateRolloutResponse response;
    const grpc::Status status = Call(app, stub, &Stub::UpdateRollout, request, &response);
    if (!status.ok()) return app->Fail(kFailure, status);
    PrintOne(*app, response.rollout());
    if (options.dry_run) app->Note("checked only; nothing was changed");
    return kDone;
  });
}

int List(App* app, const Options& options) {
  v1::ListRolloutsRequest request;
  request.set_parent(DomainResource(options.domain));
  options.page.Fill(&request);
  v1::ListRolloutsResponse response;
  const auto stub = v1::RolloutService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::ListRollouts, request, &response);
  if (!status.ok()) return app->Fail("rollouts not listed", status);
  Print(app->format(), response, "rollouts", RolloutTable(response.rollouts()));
  NoteNextPage(*app, response);
  return kDone;
}

int Log(App* app, Stub& stub, const Options& options, const std::string& name) {
  v1::ListRolloutEventsRequest request;
  request.set_parent(name);
  options.page.Fill(&request);
  v1::ListRolloutEventsResponse response;
  const grpc::Status status = Call(app, stub, &Stub::ListRolloutEvents, request, &response);
  if (!status.ok()) return app->Fail("rollout's log not read", status);
  Print(app->format(), response, "events", EventTable(response.events()));
  NoteNextPage(*app, response);
  return kDone;
}

int Show(App* app, const Options& options) {
  return OnOne(app, options, "rollout not read", [&](Stub& stub, v1::Rollout rollout) -> int {
    if (options.log) return Log(app, stub, options, rollout.name());
    PrintOne(*app, rollout);
    std::string etag = rollout.etag();
    while (options.watch && rollout.state() != v1::Rollout::STATE_ABORTED) {
      absl::SleepFor(kWatchInterval);
      const grpc::Status status = Find(app, stub, options, &rollout);
      if (!status.ok()) return app->Fail("rollout not read", status);
      if (rollout.etag() != etag) PrintOne(*app, rollout);
      etag = rollout.etag();
    }
    return kDone;
  });
}

void PrintExplanation(const App& app, const v1::ExplainRolloutResponse& response) {
  if (!ForPeople(app)) {
    Print(app.format(), response, "", GateTable(response));
    return;
  }
  WriteOut(response.text());
  for (const std::string& advisory : response.advisories()) {
    WriteOut(fmt::format("beside the gates: {}\n", EscapeForTerminal(advisory)));
  }
}

int Explain(App* app, const Options& options) {
  return OnOne(app, options, "rollout not explained", [&](Stub& stub, v1::Rollout rollout) -> int {
    std::string said;
    while (true) {
      v1::ExplainRolloutResponse response;
      const grpc::Status status = Ask(app, stub, rollout, &response);
      if (!status.ok()) return app->Fail("rollout not explained", status);
      // What is asked again differs in times only, most of the time.
      const std::string now = response.decision() + response.reason() + response.rollout().etag();
      if (now != said) PrintExplanation(*app, response);
      if (!options.watch) return kDone;
      said = now;
      absl::SleepFor(kWatchInterval);
    }
  });
}

int Simulate(App* app, const Options& options) {
  const auto stub = v1::RolloutService::NewStub(app->policyd());
  v1::Rollout rollout;
  grpc::Status status = Find(app, *stub, options, &rollout);
  v1::SimulateRolloutRequest request;
  // Of what has ended there is nothing to foresee: of what would be started there is.
  const bool moves = status.ok() && rollout.state() != v1::Rollout::STATE_ABORTED;
  if (moves && options.simulate.any()) {
    return app->Fail(
        kUsage, "ROLLOUT_ACTIVE", "rollout not simulated",
        "the domain has a rollout, which is simulated as it is set",
        {fmt::format("dmarcate rollout set {}{} --dry-run", options.domain, ScopeFlag(options)),
         fmt::format("dmarcate rollout simulate {}{}", options.domain, ScopeFlag(options))});
  }
  if (moves) {
    request.set_name(rollout.name());
  } else if (status.ok() || status.error_code() == grpc::StatusCode::NOT_FOUND) {
    status = grpc::Status::OK;
    request.set_parent(DomainResource(options.domain));
    request.mutable_rollout()->set_scope(ScopeOf(options.scope));
    options.simulate.Fill(request.mutable_rollout());
  }
  request.set_days(options.days);
  request.set_traffic_days(options.traffic_days);
  v1::SimulateRolloutResponse response;
  if (status.ok()) {
    status = Call(app, *stub, &Stub::SimulateRollout, request, &response, App::Daemon::kPolicyd,
                  kExplainTimeout);
  }
  if (!status.ok()) return app->Fail("rollout not simulated", status);
  if (ForPeople(*app)) {
    WriteOut(response.text());
  } else {
    Print(app->format(), response, "", ForecastTable(response.stages()));
  }
  return kDone;
}

int Advance(App* app, const Options& options) {
  constexpr std::string_view kFailure = "rollout not advanced";
  return OnOne(app, options, kFailure, [&](Stub& stub, v1::Rollout rollout) -> int {
    v1::ExplainRolloutResponse explained;
    grpc::Status status = Ask(app, stub, rollout, &explained);
    if (!status.ok()) return app->Fail(kFailure, status);
    v1::AdvanceRolloutRequest request;
    request.set_name(rollout.name());
    request.set_etag(options.etag.empty() ? explained.rollout().etag() : options.etag);
    request.set_decisions_etag(explained.decisions_etag());
    request.set_stage(options.to.empty() ? explained.next_stage() : StageNamed(options.to));
    request.set_accepted_bound(options.accept_bound / 100);
    request.set_validate_only(options.dry_run);
    if (request.stage() == v1::Rollout::STAGE_UNSPECIFIED) {
      return app->Fail(kRefused, "GATE_UNMET", kFailure, explained.reason(),
                       {fmt::format("dmarcate rollout explain {}", options.domain)});
    }
    if (ForPeople(*app)) WriteOut(explained.text());
    if (!options.dry_run &&
        !app->Confirm(
            Confirmation::kSerious,
            fmt::format("Publish {} for {}?", StageText(request.stage()), options.domain))) {
      return kFailed;
    }
    v1::AdvanceRolloutResponse response;
    status = Call(app, stub, &Stub::AdvanceRollout, request, &response, App::Daemon::kPolicyd,
                  kExplainTimeout);
    if (!status.ok()) return app->Fail(kFailure, status);
    if (options.dry_run) {
      app->Note("checked only; nothing was published");
      return kDone;
    }
    const v1::Rollout& now = response.rollout();
    if (now.pending_change().empty() && now.stage() != request.stage()) {
      PrintOne(*app, now);
      app->Note("your yes is kept; another person's is wanted as well, within a week");
      return kStillRunning;
    }
    return TellStep(app, stub, options, now);
  });
}

int Pause(App* app, const Options& options) {
  constexpr std::string_view kFailure = "rollout not paused";
  return OnOne(app, options, kFailure, [&](Stub& stub, const v1::Rollout& rollout) -> int {
    v1::PauseRolloutRequest request;
    request.set_name(rollout.name());
    request.set_note(options.note);
    v1::PauseRolloutResponse response;
    const grpc::Status status = Call(app, stub, &Stub::PauseRollout, request, &response);
    if (!status.ok()) return app->Fail(kFailure, status);
    PrintOne(*app, response.rollout());
    return kDone;
  });
}

int Resume(App* app, const Options& options) {
  constexpr std::string_view kFailure = "rollout not resumed";
  return OnOne(app, options, kFailure, [&](Stub& stub, const v1::Rollout& rollout) -> int {
    v1::ResumeRolloutRequest request;
    request.set_name(rollout.name());
    request.set_etag(options.etag.empty() ? rollout.etag() : options.etag);
    v1::ResumeRolloutResponse response;
    const grpc::Status status = Call(app, stub, &Stub::ResumeRollout, request, &response,
                                     App::Daemon::kPolicyd, kExplainTimeout);
    if (!status.ok()) return app->Fail(kFailure, status);
    PrintOne(*app, response.rollout());
    return kDone;
  });
}

// Whether policyd has it written down: then it goes on trying. Else nobody does.
bool IsToBeAborted(App* app, Stub& stub, const std::string& name) {
  v1::GetRolloutRequest request;
  request.set_name(name);
  v1::GetRolloutResponse response;
  return Call(app, stub, &Stub::GetRollout, request, &response).ok() &&
         response.rollout().abort_to() != v1::Rollout::STAGE_UNSPECIFIED;
}

int Abort(App* app, const Options& options) {
  constexpr std::string_view kFailure = "rollout not aborted";
  return OnOne(app, options, kFailure, [&](Stub& stub, const v1::Rollout& rollout) -> int {
    if (!app->Confirm(Confirmation::kSerious,
                      fmt::format("Lower {} from {} to {}, and end its rollout?", options.domain,
                                  StageText(rollout.stage()), options.to))) {
      return kFailed;
    }
    v1::AbortRolloutRequest request;
    request.set_name(rollout.name());
    request.set_stage(StageNamed(options.to));
    v1::AbortRolloutResponse response;
    const grpc::Status status = Call(app, stub, &Stub::AbortRollout, request, &response);
    if (!status.ok()) {
      return app->Fail(IsToBeAborted(app, stub, rollout.name())
                           ? "rollout not aborted yet; it is tried again"
                           : kFailure,
                       status);
    }
    return TellStep(app, stub, options, response.rollout());
  });
}

CLI::App* AddOne(CLI::App* group, App* app, const std::shared_ptr<Options>& options,
                 const char* name, const char* help, const char* example,
                 int (*run)(App*, const Options&)) {
  CLI::App* command = group->add_subcommand(name, help);
  command->add_option("DOMAIN", options->domain, "whose policy")->required();
  command->add_option("--scope", options->scope, "domain (p), sp or np; default domain")
      ->check(CLI::IsMember({"domain", "sp", "np"}));
  command->footer(fmt::format("Examples:\n  {}", example));
  app->OnSelected(command, [app, options, run] { return run(app, *options); });
  return command;
}

void AddStart(CLI::App* group, App* app, const std::shared_ptr<Options>& options) {
  CLI::App* start =
      AddOne(group, app, options, "start", "begin, at the stage on which the record stands",
             "dmarcate rollout start example.com\n"
             "  dmarcate rollout start example.com --target reject --mode automatic --accept-loss "
             "'mail of ours through lists that rewrite nothing'",
             &Start);
  options->start.Add(start, RolloutFields::Use::kNew);
  start->add_flag("--dry-run", options->dry_run, "check only");
}

void AddSet(CLI::App* group, App* app, const std::shared_ptr<Options>& options) {
  CLI::App* set = AddOne(group, app, options, "set",
                         "change target, mode and settings; what was said yes to is asked again",
                         "dmarcate rollout set example.com --observe-days 45\n"
                         "  dmarcate rollout set example.com --working-days mon-thu "
                         "--working-hours 09:00-15:00 --utc-offset 60",
                         &Set);
  options->set.Add(set, RolloutFields::Use::kStanding);
  set->add_option("--etag", options->etag, "etag that was seen; default: as it is now");
  set->add_flag("--dry-run", options->dry_run, "check only");
}

}  // namespace

void AddRollout(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group = root->add_subcommand("rollout", "the policy, from p=none to p=reject");
  group->require_subcommand(1);
  AddStart(group, app, options);
  AddSet(group, app, options);

  CLI::App* list = group->add_subcommand("list", "where each domain stands");
  list->add_option("DOMAIN", options->domain, "default: all domains that are managed");
  options->page.Add(list);
  list->footer("Examples:\n  dmarcate rollout list");
  app->OnSelected(list, [app, options] { return List(app, *options); });

  CLI::App* show = AddOne(group, app, options, "show", "where it stands, and what it waits for",
                          "dmarcate rollout show example.com --log", &Show);
  show->add_flag("--log", options->log, "what was decided and done, newest first");
  show->add_flag("--watch", options->watch, "print it again when it changes");
  options->page.Add(show);

  AddOne(group, app, options, "explain",
         "each gate: measured, required, since when, and the command that shows the evidence",
         "dmarcate rollout explain example.com", &Explain)
      ->add_flag("--watch", options->watch, "print it again when the decision changes");

  CLI::App* simulate =
      AddOne(group, app, options, "simulate",
             "what would follow if all went on as it is: gates, dates, mail; writes nothing",
             "dmarcate rollout simulate example.com --days 120\n"
             "  dmarcate rollout simulate example.com --target reject --no-mailboxes",
             &Simulate);
  // Of a rollout that is not there yet.
  options->simulate.Add(simulate, RolloutFields::Use::kNew);
  simulate->add_option("--days", options->days, "how far ahead, 1 to 400; default 180")
      ->check(CLI::Range(1, 400));
  simulate
      ->add_option("--traffic-days", options->traffic_days,
                   "the mail of so many last days comes again, 7 to 90; default 30")
      ->check(CLI::Range(7, 90));

  CLI::App* advance =
      AddOne(group, app, options, "advance", "say yes to the next stage, and take it",
             "dmarcate rollout advance example.com", &Advance);
  advance->add_option("--to", options->to, "the stage that was shown; default: the next one");
  advance
      ->add_option("--accept-bound", options->accept_bound,
                   "loss in percent that you sign, where there is too little mail for a proof")
      ->check(CLI::Range(0.0, 100.0));
  advance->add_option("--etag", options->etag, "etag that was seen; default: as it is now");
  advance->add_flag("--dry-run", options->dry_run, "ask the gates only");

  AddOne(group, app, options, "pause", "no further step until it is resumed",
         "dmarcate rollout pause example.com --note 'new mail system'", &Pause)
      ->add_option("--note", options->note, "why");
  AddOne(group, app, options, "resume", "go on, from the stage that is live",
         "dmarcate rollout resume example.com", &Resume)
      ->add_option("--etag", options->etag, "etag that was seen; default: as it is now");
  AddOne(group, app, options, "abort", "lower the policy now, whatever else is broken, and end",
         "dmarcate rollout abort example.com --to none", &Abort)
      ->add_option("--to", options->to, "none or quarantine")
      ->required()
      ->check(CLI::IsMember({"none", "quarantine"}));
  AddRolloutRules(group, app);
}

}  // namespace dmarcate::cli
