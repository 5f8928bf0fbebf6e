#include "cli/mta_sts_rollout.h"

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
#include "cli/mta_sts_text.h"
#include "cli/rollout_text.h"
#include "dmarcate/v1/mta_sts.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::MtaStsRolloutService::Stub;

// The reports of half a year, the live DNS, the mail servers and the web server.
constexpr absl::Duration kExplainTimeout = absl::Minutes(3);
constexpr absl::Duration kWatchInterval = absl::Seconds(5);

struct Options {
  std::string domain = "-", target = "enforce", mode = "confirm", to, note, etag;
  std::vector<std::string> mx;
  double accept_bound = 0, failure_share = 0;
  int testing_days = 0, min_reporters = 0;
  int64_t testing_max_age = 0, enforce_max_age = 0;
  bool no_step_down = false, dry_run = false, watch = false, log = false, file = false;
  PageOptions page;
};

v1::Rollout::Mode ModeOf(const std::string& text) {
  if (text == "advise") return v1::Rollout::MODE_ADVISE;
  return text == "automatic" ? v1::Rollout::MODE_AUTOMATIC : v1::Rollout::MODE_CONFIRM;
}

v1::MtaStsRollout::Stage StageNamed(const std::string& text) {
  for (int i = v1::MtaStsRollout::STAGE_OFF; i <= v1::MtaStsRollout::STAGE_WITHDRAWN; ++i) {
    const auto stage = static_cast<v1::MtaStsRollout::Stage>(i);
    if (StsStageText(stage) == text) return stage;
  }
  return v1::MtaStsRollout::STAGE_UNSPECIFIED;
}

bool ForPeople(const App& app) { return app.format() == Format::kTable; }

void PrintOne(const App& app, const v1::MtaStsRollout& rollout) {
  if (ForPeople(app)) {
    WriteOut(MtaStsText(rollout));
    return;
  }
  google::protobuf::RepeatedPtrField<v1::MtaStsRollout> one;
  *one.Add() = rollout;
  Print(app.format(), rollout, "", MtaStsTable(one));
}

// The last one of the domain: no other moves.
grpc::Status Find(App* app, Stub& stub, const Options& options, v1::MtaStsRollout* found) {
  v1::ListMtaStsRolloutsRequest request;
  request.set_parent(DomainResource(options.domain));
  request.set_page_size(1000);
  bool any = false;
  do {
    v1::ListMtaStsRolloutsResponse response;
    const grpc::Status status = Call(app, stub, &Stub::ListMtaStsRollouts, request, &response);
    if (!status.ok()) return status;
    if (!response.rollouts().empty()) {
      *found = *response.rollouts().rbegin();
      any = true;
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  if (any) return grpc::Status::OK;
  return {grpc::StatusCode::NOT_FOUND,
          fmt::format("{} has no rollout of MTA-STS; dmarcate mta-sts start {}", options.domain,
                      options.domain)};
}

// Finds it and does `act` with it; `failed` says what did not come of it otherwise.
template <typename Act>
int OnOne(App* app, const Options& options, std::string_view failed, Act act) {
  const auto stub = v1::MtaStsRolloutService::NewStub(app->policyd());
  v1::MtaStsRollout rollout;
  const grpc::Status status = Find(app, *stub, options, &rollout);
  return status.ok() ? act(*stub, std::move(rollout)) : app->Fail(failed, status);
}

grpc::Status Ask(App* app, Stub& stub, const v1::MtaStsRollout& rollout,
                 v1::ExplainMtaStsRolloutResponse* response) {
  v1::ExplainMtaStsRolloutRequest request;
  request.set_name(rollout.name());
  return Call(app, stub, &Stub::ExplainMtaStsRollout, request, response, App::Daemon::kPolicyd,
              kExplainTimeout);
}

// What goes on by itself, after a person has said what is wanted.
int TellRest(const App& app, const Options& options, const v1::MtaStsRollout& rollout) {
  PrintOne(app, rollout);
  if (rollout.next_file().empty()) return kDone;
  app.Note(fmt::format(
      "policyd serves the file where its HTTP port is asked; who has another web server puts it "
      "there: dmarcate mta-sts show {} --file. The record follows when it was seen there twice in "
      "a row: dmarcate mta-sts explain {} --watch",
      options.domain, options.domain));
  return kDone;
}

void FillSettings(const Options& options, v1::MtaStsRolloutSettings* settings) {
  for (const std::string& pattern : options.mx) settings->add_mx(pattern);
  settings->set_testing_days(options.testing_days);
  settings->set_min_reporters(options.min_reporters);
  settings->set_failure_share(options.failure_share / 100);
  settings->set_testing_max_age_seconds(options.testing_max_age);
  settings->set_enforce_max_age_seconds(options.enforce_max_age);
  settings->set_no_step_down(options.no_step_down);
}

int Start(App* app, const Options& options) {
  v1::CreateMtaStsRolloutRequest request;
  request.set_parent(DomainResource(options.domain));
  v1::MtaStsRollout& rollout = *request.mutable_rollout();
  rollout.set_target(StageNamed(options.target));
  rollout.set_mode(ModeOf(options.mode));
  FillSettings(options, rollout.mutable_settings());
  request.set_validate_only(options.dry_run);
  v1::CreateMtaStsRolloutResponse response;
  const auto stub = v1::MtaStsRolloutService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::CreateMtaStsRollout, request, &response,
                                   App::Daemon::kPolicyd, kExplainTimeout);
  if (!status.ok()) return app->Fail("mta-sts rollout not started", status);
  PrintOne(*app, response.rollout());
  app->Note(options.dry_run ? std::string("checked only; nothing was started")
                            : fmt::format("see what it waits for: dmarcate mta-sts explain {}",
                                          options.domain));
  return kDone;
}

int List(App* app, const Options& options) {
  v1::ListMtaStsRolloutsRequest request;
  request.set_parent(DomainResource(options.domain));
  options.page.Fill(&request);
  v1::ListMtaStsRolloutsResponse response;
  const auto stub = v1::MtaStsRolloutService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::ListMtaStsRollouts, request, &response);
  if (!status.ok()) return app->Fail("mta-sts rollouts not listed", status);
  Print(app->format(), response, "rollouts", MtaStsTable(response.rollouts()));
  NoteNextPage(*app, response);
  return kDone;
}

int Log(App* app, Stub& stub, const Options& options, const std::string& name) {
  v1::ListMtaStsRolloutEventsRequest request;
  request.set_parent(name);
  options.page.Fill(&request);
  v1::ListMtaStsRolloutEventsResponse response;
  const grpc::Status status = Call(app, stub, &Stub::ListMtaStsRolloutEvents, request, &response);
  if (!status.ok()) return app->Fail("mta-sts rollout's log not read", status);
  Print(app->format(), response, "events", EventTable(response.events()));
  NoteNextPage(*app, response);
  return kDone;
}

// The bytes alone, for whoever hosts them.
int ShowFile(App* app, const Options& options, const v1::MtaStsRollout& rollout) {
  const std::string& file = rollout.next_file().empty() ? rollout.file() : rollout.next_file();
  if (file.empty()) {
    return app->Fail(kRefused, "ROLLOUT_STATE", "no file",
                     fmt::format("nothing is to be served for {} now", options.domain),
                     {fmt::format("dmarcate mta-sts explain {}", options.domain)});
  }
  WriteOut(file);
  app->Note(fmt::format("for https://mta-sts.{}/.well-known/mta-sts.txt", options.domain));
  return kDone;
}

int Show(App* app, const Options& options) {
  return OnOne(app, options, "mta-sts rollout not read",
               [&](Stub& stub, v1::MtaStsRollout rollout) -> int {
                 if (options.log) return Log(app, stub, options, rollout.name());
                 if (options.file) return ShowFile(app, options, rollout);
                 PrintOne(*app, rollout);
                 std::string etag = rollout.etag();
                 while (options.watch && rollout.state() != v1::Rollout::STATE_ABORTED) {
                   absl::SleepFor(kWatchInterval);
                   const grpc::Status status = Find(app, stub, options, &rollout);
                   if (!status.ok()) return app->Fail("mta-sts rollout not read", status);
                   if (rollout.etag() != etag) PrintOne(*app, rollout);
                   etag = rollout.etag();
                 }
                 return kDone;
               });
}

void PrintExplanation(const App& app, const v1::ExplainMtaStsRolloutResponse& response) {
  if (!ForPeople(app)) {
    google::protobuf::RepeatedPtrField<v1::MtaStsRollout> one;
    *one.Add() = response.rollout();
    Print(app.format(), response, "", MtaStsTable(one));
    return;
  }
  WriteOut(response.text());
  for (const std::string& advisory : response.advisories()) {
    WriteOut(fmt::format("beside the gates: {}\n", EscapeForTerminal(advisory)));
  }
}

int Explain(App* app, const Options& options) {
  constexpr std::string_view kFailure = "mta-sts rollout not explained";
  return OnOne(app, options, kFailure, [&](Stub& stub, const v1::MtaStsRollout& rollout) -> int {
    std::string said;
    while (true) {
      v1::ExplainMtaStsRolloutResponse response;
      const grpc::Status status = Ask(app, stub, rollout, &response);
      if (!status.ok()) return app->Fail(kFailure, status);
      // What is asked again differs in times only, most of the time.
      const std::string now = response.decision() + response.reason() + response.rollout().etag();
      if (now != said) PrintExplanation(*app, response);
      if (!options.watch) return kDone;
      said = now;
      absl::SleepFor(kWatchInterval);
    }
  });
}

int Advance(App* app, const Options& options) {
  constexpr std::string_view kFailure = "mta-sts rollout not advanced";
  return OnOne(app, options, kFailure, [&](Stub& stub, const v1::MtaStsRollout& rollout) -> int {
    v1::ExplainMtaStsRolloutResponse explained;
    grpc::Status status = Ask(app, stub, rollout, &explained);
    if (!status.ok()) return app->Fail(kFailure, status);
    v1::AdvanceMtaStsRolloutRequest request;
    request.set_name(rollout.name());
    request.set_etag(options.etag.empty() ? explained.rollout().etag() : options.etag);
    request.set_stage(options.to.empty() ? explained.next_stage() : StageNamed(options.to));
    request.set_file(explained.next_file());
    request.set_accepted_bound(options.accept_bound / 100);
    request.set_validate_only(options.dry_run);
    if (explained.decision() != "ready" && explained.decision() != "serve") {
      return app->Fail(kRefused, "GATE_UNMET", kFailure, explained.reason(),
                       {fmt::format("dmarcate mta-sts explain {}", options.domain)});
    }
    if (ForPeople(*app)) WriteOut(explained.text());
    if (!options.dry_run &&
        !app->Confirm(Confirmation::kSerious, fmt::format("Serve this file for {}, and announce it "
                                                          "once it is there?",
                                                          options.domain))) {
      return kFailed;
    }
    v1::AdvanceMtaStsRolloutResponse response;
    status = Call(app, stub, &Stub::AdvanceMtaStsRollout, request, &response, App::Daemon::kPolicyd,
                  kExplainTimeout);
    if (!status.ok()) return app->Fail(kFailure, status);
    if (!options.dry_run) return TellRest(*app, options, response.rollout());
    app->Note("checked only; nothing is served");
    return kDone;
  });
}

// `command`: which of its options were given.
int Update(App* app, const CLI::App& command, const Options& options) {
  constexpr std::string_view kFailure = "mta-sts rollout not changed";
  return OnOne(app, options, kFailure, [&](Stub& stub, const v1::MtaStsRollout& rollout) -> int {
    v1::UpdateMtaStsRolloutRequest request;
    v1::MtaStsRollout& wanted = *request.mutable_rollout();
    wanted.set_name(rollout.name());
    wanted.set_etag(options.etag.empty() ? rollout.etag() : options.etag);
    wanted.set_mode(ModeOf(options.mode));
    wanted.set_target(StageNamed(options.target));
    FillSettings(options, wanted.mutable_settings());
    for (const auto& [option, path] : std::vector<std::pair<std::string, std::string>>{
             {"--mode", "mode"},
             {"--target", "target"},
             {"--mx", "settings.mx"},
             {"--testing-days", "settings.testing_days"},
             {"--min-reporters", "settings.min_reporters"},
             {"--failure-share", "settings.failure_share"},
             {"--testing-max-age", "settings.testing_max_age_seconds"},
             {"--enforce-max-age", "settings.enforce_max_age_seconds"},
             {"--no-step-down", "settings.no_step_down"}}) {
      if (command.count(option) > 0) request.mutable_update_mask()->add_paths(path);
    }
    request.set_validate_only(options.dry_run);
    v1::UpdateMtaStsRolloutResponse response;
    const grpc::Status status = Call(app, stub, &Stub::UpdateMtaStsRollout, request, &response);
    if (!status.ok()) return app->Fail(kFailure, status);
    PrintOne(*app, response.rollout());
    if (options.dry_run) app->Note("checked only; nothing was changed");
    return kDone;
  });
}

int Pause(App* app, const Options& options) {
  constexpr std::string_view kFailure = "mta-sts rollout not paused";
  return OnOne(app, options, kFailure, [&](Stub& stub, const v1::MtaStsRollout& rollout) -> int {
    v1::PauseMtaStsRolloutRequest request;
    request.set_name(rollout.name());
    request.set_note(options.note);
    v1::PauseMtaStsRolloutResponse response;
    const grpc::Status status = Call(app, stub, &Stub::PauseMtaStsRollout, request, &response);
    if (!status.ok()) return app->Fail(kFailure, status);
    PrintOne(*app, response.rollout());
    return kDone;
  });
}

int Resume(App* app, const Options& options) {
  constexpr std::string_view kFailure = "mta-sts rollout not resumed";
  return OnOne(app, options, kFailure, [&](Stub& stub, const v1::MtaStsRollout& rollout) -> int {
    v1::ResumeMtaStsRolloutRequest request;
    request.set_name(rollout.name());
    request.set_etag(options.etag.empty() ? rollout.etag() : options.etag);
    v1::ResumeMtaStsRolloutResponse response;
    const grpc::Status status = Call(app, stub, &Stub::ResumeMtaStsRollout, request, &response,
                                     App::Daemon::kPolicyd, kExplainTimeout);
    if (!status.ok()) return app->Fail(kFailure, status);
    PrintOne(*app, response.rollout());
    return kDone;
  });
}

int Abort(App* app, const Options& options) {
  constexpr std::string_view kFailure = "mta-sts rollout not aborted";
  return OnOne(app, options, kFailure, [&](Stub& stub, const v1::MtaStsRollout& rollout) -> int {
    if (!app->Confirm(Confirmation::kSerious,
                      fmt::format("Take MTA-STS of {} from {} to {}, and end its rollout?",
                                  options.domain, StsStageText(rollout.stage()), options.to))) {
      return kFailed;
    }
    v1::AbortMtaStsRolloutRequest request;
    request.set_name(rollout.name());
    request.set_stage(StageNamed(options.to));
    v1::AbortMtaStsRolloutResponse response;
    const grpc::Status status = Call(app, stub, &Stub::AbortMtaStsRollout, request, &response,
                                     App::Daemon::kPolicyd, kExplainTimeout);
    if (!status.ok()) return app->Fail(kFailure, status);
    return TellRest(*app, options, response.rollout());
  });
}

CLI::App* AddOne(CLI::App* group, App* app, const std::shared_ptr<Options>& options,
                 const char* name, const char* help, const char* example,
                 int (*run)(App*, const Options&)) {
  CLI::App* command = group->add_subcommand(name, help);
  command->add_option("DOMAIN", options->domain, "whose policy")->required();
  command->footer(fmt::format("Examples:\n  {}", example));
  if (run != nullptr) app->OnSelected(command, [app, options, run] { return run(app, *options); });
  return command;
}

void AddWanted(CLI::App* command, const std::shared_ptr<Options>& options) {
  command->add_option("--target", options->target, "testing or enforce; default enforce")
      ->check(CLI::IsMember({"testing", "enforce"}));
  command->add_option("--mode", options->mode, "advise, confirm or automatic; default confirm")
      ->check(CLI::IsMember({"advise", "confirm", "automatic"}));
  command->add_option("--mx", options->mx,
                      "a server that senders may deliver to, *.example.com for each name below; "
                      "several times, all of them");
  command->add_option("--testing-days", options->testing_days, "7 to 365; default 14");
  command->add_option("--min-reporters", options->min_reporters, "2 to 20; default 2");
  command
      ->add_option("--failure-share", options->failure_share,
                   "of sessions, in percent, 0.01 to 2; default 1")
      ->check(CLI::Range(0.0, 100.0));
  command->add_option("--testing-max-age", options->testing_max_age,
                      "seconds that senders keep the file of testing; default a day");
  command->add_option("--enforce-max-age", options->enforce_max_age,
                      "seconds that senders keep the file of enforce; default 30 days");
  command->add_flag("--no-step-down", options->no_step_down, "never to testing by itself");
  command->add_flag("--dry-run", options->dry_run, "check only");
}

}  // namespace

void AddMtaStsRollout(CLI::App* group, App* app) {
  auto options = std::make_shared<Options>();
  AddWanted(AddOne(group, app, options, "start",
                   "begin, at what is live; default: with the hosts of the live MX records",
                   "dmarcate mta-sts start example.com\n"
                   "  dmarcate mta-sts start example.com --mx mx1.example.com --mx '*.example.net' "
                   "--mode automatic",
                   &Start),
            options);

  CLI::App* list = group->add_subcommand("list", "where each domain stands");
  list->add_option("DOMAIN", options->domain, "default: all domains that are managed");
  options->page.Add(list);
  list->footer("Examples:\n  dmarcate mta-sts list");
  app->OnSelected(list, [app, options] { return List(app, *options); });

  CLI::App* show = AddOne(group, app, options, "show", "where it stands, and what is to be served",
                          "dmarcate mta-sts show example.com\n"
                          "  dmarcate mta-sts show example.com --file > mta-sts.txt\n"
                          "  dmarcate mta-sts show example.com --log",
                          &Show);
  show->add_flag("--file", options->file, "the file that is to be served now, byte for byte");
  show->add_flag("--log", options->log, "what was decided and done, newest first");
  show->add_flag("--watch", options->watch, "print it again when it changes");
  options->page.Add(show);

  AddOne(group, app, options, "explain",
         "each gate: measured, required, since when, and the command that shows the evidence",
         "dmarcate mta-sts explain example.com", &Explain)
      ->add_flag("--watch", options->watch, "print it again when the decision changes");

  CLI::App* advance =
      AddOne(group, app, options, "advance", "say yes to the next file, and have it served",
             "dmarcate mta-sts advance example.com", &Advance);
  advance->add_option("--to", options->to, "the stage that was shown; default: the next one")
      ->check(CLI::IsMember({"testing", "enforce"}));
  advance
      ->add_option("--accept-bound", options->accept_bound,
                   "failed sessions in percent that you sign, where there are too few for a proof")
      ->check(CLI::Range(0.0, 100.0));
  advance->add_option("--etag", options->etag, "etag that was seen; default: as it is now");
  advance->add_flag("--dry-run", options->dry_run, "ask the gates only");

  CLI::App* update = AddOne(group, app, options, "update",
                            "other servers, ages, thresholds, mode or target; a new file is asked "
                            "for like any other",
                            "dmarcate mta-sts update example.com --mx mx1.example.com --mx "
                            "mx3.example.com",
                            nullptr);
  AddWanted(update, options);
  update->add_option("--etag", options->etag, "etag that was seen; default: as it is now");
  app->OnSelected(update, [app, options, update] { return Update(app, *update, *options); });

  AddOne(group, app, options, "pause", "no further step until it is resumed",
         "dmarcate mta-sts pause example.com --note 'new mail servers'", &Pause)
      ->add_option("--note", options->note, "why");
  AddOne(group, app, options, "resume", "go on, from what is live",
         "dmarcate mta-sts resume example.com", &Resume)
      ->add_option("--etag", options->etag, "etag that was seen; default: as it is now");
  AddOne(group, app, options, "abort",
         "the way down, and the end; off takes as long as senders may keep an older policy",
         "dmarcate mta-sts abort example.com --to off", &Abort)
      ->add_option("--to", options->to, "testing or off")
      ->required()
      ->check(CLI::IsMember({"testing", "off"}));
}

}  // namespace dmarcate::cli
