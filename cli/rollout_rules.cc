#include "cli/rollout_rules.h"

#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/messages.h"
#include "cli/rollout_text.h"
#include "dmarcate/v1/rollout_rules.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::RolloutRulesService::Stub;

struct Options {
  std::string domain, two_people, suspend, from, to, reason, name;
  bool release = false, dry_run = false;
};

std::string RulesResource(const std::string& domain) {
  return DomainResource(domain) + "/rolloutRules";
}

// "2026-12-20" is its midnight (UTC); or RFC 3339.
bool ParseMoment(const std::string& text, absl::Time* time) {
  std::string error;
  return absl::ParseTime("%Y-%m-%d", text, time, &error) ||
         absl::ParseTime(absl::RFC3339_full, text, time, &error);
}
CLI::Validator IsMoment() {
  return {[](const std::string& text) {
            absl::Time time;
            return ParseMoment(text, &time)
                       ? std::string()
                       : std::string("want \"2026-12-20\" or \"2026-12-20T08:00:00Z\"");
          },
          ""};
}

void SetMoment(const std::string& text, google::protobuf::Timestamp* out) {
  absl::Time time;
  ParseMoment(text, &time);
  out->set_seconds(absl::ToUnixSeconds(time));
}

void PrintRules(const App& app, const v1::RolloutRules& rules, const v1::RolloutRules* of_all) {
  if (app.format() == Format::kTable) {
    WriteOut(RulesText(rules));
    if (of_all != nullptr) WriteOut(RulesText(*of_all));
    return;
  }
  Print(app.format(), rules, "", FreezeTable(rules.freezes()));
}

int Show(App* app, const Options& options) {
  v1::GetRolloutRulesRequest request;
  request.set_name(RulesResource(options.domain));
  v1::GetRolloutRulesResponse response;
  const auto stub = v1::RolloutRulesService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::GetRolloutRules, request, &response);
  if (!status.ok()) return app->Fail("rules of rollouts not read", status);
  if (app->format() == Format::kTable) {
    PrintRules(*app, response.rules(),
               response.has_rules_of_all() ? &response.rules_of_all() : nullptr);
  } else {
    Print(app->format(), response, "", FreezeTable(response.rules().freezes()));
  }
  return kDone;
}

int Set(App* app, const Options& options) {
  constexpr std::string_view kFailure = "rules of rollouts not changed";
  const auto stub = v1::RolloutRulesService::NewStub(app->policyd());
  v1::GetRolloutRulesRequest get;
  get.set_name(RulesResource(options.domain));
  v1::GetRolloutRulesResponse now;
  grpc::Status status = Call(app, *stub, &Stub::GetRolloutRules, get, &now);
  if (!status.ok()) return app->Fail(kFailure, status);
  v1::UpdateRolloutRulesRequest request;
  request.mutable_rules()->set_name(get.name());
  request.mutable_rules()->set_etag(now.rules().etag());
  if (!options.two_people.empty()) {
    request.mutable_rules()->set_two_people(options.two_people == "yes");
    request.mutable_update_mask()->add_paths("two_people");
  }
  if (!options.suspend.empty() || options.release) {
    request.mutable_rules()->set_suspended(!options.release);
    request.mutable_rules()->set_suspend_reason(options.suspend);
    request.mutable_update_mask()->add_paths("suspended");
  }
  request.set_validate_only(options.dry_run);
  v1::UpdateRolloutRulesResponse response;
  status = Call(app, *stub, &Stub::UpdateRolloutRules, request, &response);
  if (!status.ok()) return app->Fail(kFailure, status);
  PrintRules(*app, response.rules(), nullptr);
  if (options.dry_run) app->Note("checked only; nothing was changed");
  return kDone;
}

int AddFreeze(App* app, const Options& options) {
  v1::CreateRolloutFreezeRequest request;
  request.set_parent(DomainResource(options.domain));
  SetMoment(options.from, request.mutable_freeze()->mutable_start_time());
  SetMoment(options.to, request.mutable_freeze()->mutable_end_time());
  request.mutable_freeze()->set_reason(options.reason);
  request.set_validate_only(options.dry_run);
  v1::CreateRolloutFreezeResponse response;
  const auto stub = v1::RolloutRulesService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::CreateRolloutFreeze, request, &response);
  if (!status.ok()) return app->Fail("not frozen", status);
  PrintRules(*app, response.rules(), nullptr);
  if (options.dry_run) app->Note("checked only; nothing was frozen");
  return kDone;
}

int ListFreezes(App* app, const Options& options) {
  v1::GetRolloutRulesRequest request;
  request.set_name(RulesResource(options.domain));
  v1::GetRolloutRulesResponse response;
  const auto stub = v1::RolloutRulesService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::GetRolloutRules, request, &response);
  if (!status.ok()) return app->Fail("freezes not listed", status);
  google::protobuf::RepeatedPtrField<v1::RolloutFreeze> all = response.rules().freezes();
  for (const v1::RolloutFreeze& freeze : response.rules_of_all().freezes()) *all.Add() = freeze;
  Print(app->format(), response, "", FreezeTable(all));
  return kDone;
}

int RemoveFreeze(App* app, const Options& options) {
  v1::DeleteRolloutFreezeRequest request;
  request.set_name(options.name);
  request.set_validate_only(options.dry_run);
  v1::DeleteRolloutFreezeResponse response;
  const auto stub = v1::RolloutRulesService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::DeleteRolloutFreeze, request, &response);
  if (!status.ok()) return app->Fail("freeze not taken back", status);
  PrintRules(*app, response.rules(), nullptr);
  if (options.dry_run) app->Note("checked only; nothing was changed");
  return kDone;
}

CLI::App* AddOne(CLI::App* group, App* app, const std::shared_ptr<Options>& options,
                 const char* name, const char* help, const char* example,
                 int (*run)(App*, const Options&)) {
  CLI::App* command = group->add_subcommand(name, help);
  command->footer(fmt::format("Examples:\n  {}", example));
  app->OnSelected(command, [app, options, run] { return run(app, *options); });
  return command;
}

void AddDomain(CLI::App* command, Options& options) {
  command->add_option("DOMAIN", options.domain, "whose rollouts; - stands for all domains")
      ->required();
}

}  // namespace

void AddRolloutRules(CLI::App* group, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* rules =
      group->add_subcommand("rules", "what holds for every rollout of a domain, or of all");
  rules->require_subcommand(1);
  AddDomain(AddOne(rules, app, options, "show", "freezes, two people, suspension, and who set them",
                   "dmarcate rollout rules show example.com", &Show),
            *options);
  CLI::App* set =
      AddOne(rules, app, options, "set", "ask for two people, or suspend",
             "dmarcate rollout rules set - --two-people yes\n"
             "  dmarcate rollout rules set example.com --suspend 'sold to somebody else'",
             &Set);
  AddDomain(set, *options);
  set->add_option("--two-people", options->two_people,
                  "yes: a step up needs the yes of two; no: of one, which two have to ask for")
      ->check(CLI::IsMember({"yes", "no"}).description(""));
  CLI::Option* const suspend = set->add_option(
      "--suspend", options->suspend, "nothing is published but an abort; why, in your words");
  set->add_flag("--release", options->release, "not suspended any more")->excludes(suspend);
  set->add_flag("--dry-run", options->dry_run, "check only");

  CLI::App* freeze =
      group->add_subcommand("freeze", "spans in which no policy is raised; lowering never waits");
  freeze->require_subcommand(1);
  CLI::App* add = AddOne(freeze, app, options, "add", "add one, of a domain or of all",
                         "dmarcate rollout freeze add - --from 2026-12-18 --to 2027-01-04 "
                         "--reason 'year end'",
                         &AddFreeze);
  AddDomain(add, *options);
  add->add_option("--from", options->from, "first day, or a time: 2026-12-18T16:00:00Z")
      ->required()
      ->check(IsMoment());
  add->add_option("--to", options->to, "the day, or time, at which it is over")
      ->required()
      ->check(IsMoment());
  add->add_option("--reason", options->reason, "why, in your words")->required();
  add->add_flag("--dry-run", options->dry_run, "check only");
  AddDomain(AddOne(freeze, app, options, "list", "those of a domain, and of all",
                   "dmarcate rollout freeze list example.com", &ListFreezes),
            *options);
  CLI::App* remove =
      AddOne(freeze, app, options, "remove", "end one, or forget it",
             "dmarcate rollout freeze remove domains/-/rolloutFreezes/01kf0q3w7mz4s0jx2b5c8d9e1f",
             &RemoveFreeze);
  remove->add_option("FREEZE", options->name, "its name, as freeze list shows it")->required();
  remove->add_flag("--dry-run", options->dry_run, "check only");
}

}  // namespace dmarcate::cli
