// dmarcate changes: plan, look, apply, roll back.

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/messages.h"
#include "dmarcate/v1/change.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::ChangeService::Stub;

// An apply may verify for a while; the change goes on when this runs out.
constexpr absl::Duration kApplyTimeout = absl::Minutes(2);

std::string StateText(v1::Change::State state) {
  return EnumText(v1::Change::State_Name(state), "STATE_");
}

Table ChangeTable(const google::protobuf::RepeatedPtrField<v1::Change>& changes) {
  Table table({{"CHANGE"},
               {"DOMAIN"},
               {"STATE"},
               {"RECORDS", Align::kRight},
               {"BY"},
               {"CREATED"},
               {"ROLLBACK_OF", Align::kLeft, true},
               {"DIGEST", Align::kLeft, true}});
  for (const v1::Change& change : changes) {
    const auto parts = Split(change.name(), '/');
    table.Add(change.name(),
              {std::string(LastSegment(change.name())),
               parts.size() > 1 ? std::string(parts[1]) : std::string(), StateText(change.state()),
               std::to_string(change.record_changes_size()), change.requested_by(),
               Text(change.create_time()), std::string(LastSegment(change.rollback_of())),
               change.plan_digest()});
  }
  return table;
}

Table OneChange(const v1::Change& change) {
  google::protobuf::RepeatedPtrField<v1::Change> one;
  *one.Add() = change;
  return ChangeTable(one);
}

char Mark(v1::TermChange::Action action) {
  switch (action) {
    case v1::TermChange::ACTION_ADD:
      return '+';
    case v1::TermChange::ACTION_REMOVE:
      return '-';
    case v1::TermChange::ACTION_MODIFY:
      return '~';
    default:
      return ' ';
  }
}

std::string RecordChangeText(const v1::RecordChange& record) {
  std::string out = fmt::format("{} {}\n", EscapeForTerminal(record.owner_name()), record.type());
  for (const std::string& value : record.before()) {
    out += fmt::format("  before  {}\n", EscapeForTerminal(value));
  }
  for (const std::string& value : record.after()) {
    out += fmt::format("  after   {}\n", EscapeForTerminal(value));
  }
  for (const v1::TermChange& term : record.term_changes()) {
    out += fmt::format("  {} {}", Mark(term.action()), EscapeForTerminal(term.term()));
    if (!term.before().empty()) out += fmt::format("  (was {})", EscapeForTerminal(term.before()));
    if (!term.source().empty()) out += fmt::format("  for {}", LastSegment(term.source()));
    if (!term.flattened_into().empty()) {
      out += fmt::format("  flattened into {}", EscapeForTerminal(term.flattened_into()));
    }
    if (term.lookup_cost() > 0) {
      out +=
          fmt::format("  [{} look-up{}]", term.lookup_cost(), term.lookup_cost() == 1 ? "" : "s");
    }
    out += "\n";
  }
  for (const std::string& value : record.untouched()) {
    out += fmt::format("  untouched  {}\n", EscapeForTerminal(value));
  }
  if (record.lookups_before() != 0 || record.lookups_after() != 0) {
    out += fmt::format("  look-ups: {} before, {} after, limit 10\n", record.lookups_before(),
                       record.lookups_after());
  }
  return out;
}

// What happened, without the records themselves.
std::string ProgressText(const v1::Change& change) {
  std::string out;
  for (const v1::Step& step : change.steps()) {
    out += fmt::format("step {:<10} {} {}\n", step.step(), Text(step.time()),
                       EscapeForTerminal(step.detail()));
  }
  for (const v1::ServerVerification& server : change.verifications()) {
    out += fmt::format("{} {} {}{}\n", server.verified() ? "verified" : "not yet ",
                       server.address(), EscapeForTerminal(server.owner_name()),
                       server.detail().empty() ? "" : "  " + EscapeForTerminal(server.detail()));
  }
  if (change.has_error()) {
    out += fmt::format("{}: {}\n", change.error().reason(),
                       EscapeForTerminal(change.error().message()));
  }
  return out;
}

std::string ChangeText(const v1::Change& change) {
  std::string out = fmt::format("{}  {}\n", change.name(), StateText(change.state()));
  if (change.record_changes().empty()) out += "nothing to change\n";
  for (const v1::RecordChange& record : change.record_changes()) out += RecordChangeText(record);
  for (const v1::GuardResult& guard : change.guards()) {
    if (guard.result() == v1::GuardResult::RESULT_PASS) {
      if (guard.code() == "SPF_FLATTEN_PROOF") {
        out += fmt::format("{}\n", EscapeForTerminal(guard.message()));
      }
      continue;
    }
    out += fmt::format("{} {}: {}\n",
                       guard.result() == v1::GuardResult::RESULT_REFUSE ? "refused" : "warning",
                       guard.code(), EscapeForTerminal(guard.message()));
  }
  out += ProgressText(change);
  if (change.state() == v1::Change::STATE_PLANNED) {
    out += fmt::format("digest {}\nexpires {}\n", change.plan_digest(),
                       Text(change.plan_expire_time()));
  }
  return out;
}

void Show(const App& app, const v1::Change& change) {
  if (app.format() == Format::kTable || app.format() == Format::kWide) {
    WriteOut(ChangeText(change));
  } else {
    Print(app.format(), change, "", OneChange(change));
  }
}

int ExitCodeFor(const v1::Change& change) {
  switch (change.state()) {
    case v1::Change::STATE_SUCCEEDED:
    case v1::Change::STATE_PLANNED:
      return kDone;
    case v1::Change::STATE_REFUSED:
      return kRefused;
    case v1::Change::STATE_EXPIRED:
      return kChangedUnderneath;
    case v1::Change::STATE_APPLYING:
    case v1::Change::STATE_VERIFYING:
    case v1::Change::STATE_ROLLING_BACK:
      return kStillRunning;
    case v1::Change::STATE_ROLLED_BACK:
    case v1::Change::STATE_NEEDS_ATTENTION:
      return kNotVerified;
    default:
      return kFailed;
  }
}

// Whether anything that is there now goes away: then the question is a serious one.
bool Removes(const v1::Change& change) {
  for (const v1::RecordChange& record : change.record_changes()) {
    for (const v1::TermChange& term : record.term_changes()) {
      if (term.action() == v1::TermChange::ACTION_REMOVE) return true;
    }
  }
  return false;
}

struct Options {
  std::string domain, change, digest;
  bool spf = false, dmarc = false, dry_run = false, no_flatten = false;
  PageOptions page;
};

bool LacksDomain(const Options& options) {
  return ChildResource(options.change, "changes", options.domain).empty();
}

grpc::Status Get(App* app, Stub& stub, const Options& options, v1::Change* change) {
  v1::GetChangeRequest request;
  request.set_name(ChildResource(options.change, "changes", options.domain));
  v1::GetChangeResponse response;
  const grpc::Status status = Call(app, stub, &Stub::GetChange, request, &response);
  *change = response.change();
  return status;
}

int Apply(App* app, const Options& options) {
  if (LacksDomain(options)) return app->MissingDomain("changes apply", options.change);
  const auto stub = v1::ChangeService::NewStub(app->policyd());
  v1::Change change;
  grpc::Status status = Get(app, *stub, options, &change);
  if (!status.ok()) return app->Fail("change not read", status);
  // Whoever is asked has seen what is asked about, whatever the format of the result.
  const bool planned = change.state() == v1::Change::STATE_PLANNED;
  const bool shown = planned && app->format() == Format::kTable;
  if (planned) WriteErr(ChangeText(change));
  if (planned && !options.dry_run &&
      !app->Confirm(Removes(change) ? Confirmation::kSerious : Confirmation::kMild,
                    "write this to the DNS?")) {
    app->Note("the plan is kept");
    return kFailed;
  }
  v1::ApplyChangeRequest request;
  request.set_name(change.name());
  request.set_etag(change.etag());
  request.set_plan_digest(options.digest.empty() ? change.plan_digest() : options.digest);
  request.set_validate_only(options.dry_run);
  v1::ApplyChangeResponse response;
  status = Call(app, *stub, &Stub::ApplyChange, request, &response, App::Daemon::kPolicyd,
                kApplyTimeout);
  if (!status.ok()) return app->Fail("change not applied", status);
  if (shown) {  // the records have been printed with the question
    WriteOut(fmt::format("{}  {}\n{}", response.change().name(),
                         StateText(response.change().state()), ProgressText(response.change())));
  } else {
    Show(*app, response.change());
  }
  if (change.state() == v1::Change::STATE_SUCCEEDED) {
    app->Note("it had been applied already; nothing was written now");
  }
  return options.dry_run ? static_cast<int>(kDone) : ExitCodeFor(response.change());
}

int RollBack(App* app, const Options& options) {
  if (LacksDomain(options)) return app->MissingDomain("changes rollback", options.change);
  const auto stub = v1::ChangeService::NewStub(app->policyd());
  v1::Change change;
  grpc::Status status = Get(app, *stub, options, &change);
  if (!status.ok()) return app->Fail("change not read", status);
  if (!options.dry_run &&
      !app->Confirm(Confirmation::kSerious,
                    fmt::format("restore what was before {}?", change.name()))) {
    return kFailed;
  }
  v1::RollbackChangeRequest request;
  request.set_name(change.name());
  request.set_etag(change.etag());
  request.set_validate_only(options.dry_run);
  v1::RollbackChangeResponse response;
  status = Call(app, *stub, &Stub::RollbackChange, request, &response, App::Daemon::kPolicyd,
                kApplyTimeout);
  if (!status.ok()) return app->Fail("change not rolled back", status);
  Show(*app, response.change());
  if (!change.rolled_back_by().empty()) {
    app->Note("it had been rolled back already, by the change shown; nothing was written now");
  }
  return options.dry_run ? static_cast<int>(kDone) : ExitCodeFor(response.change());
}

}  // namespace

void AddChanges(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group =
      root->add_subcommand("changes", "plan, look, apply, roll back")->alias("change");
  group->require_subcommand(1);

  CLI::App* plan = group->add_subcommand("plan", "what the decisions would write; writes no DNS");
  plan->add_option("DOMAIN", options->domain)->required();
  plan->add_flag("--spf", options->spf, "only SPF, from the decisions about sources");
  plan->add_flag("--dmarc", options->dmarc, "only rua=, from the domain's report mailbox");
  plan->add_flag("--no-flatten", options->no_flatten,
                 "rather refuse than replace includes by addresses, where SPF would take too many "
                 "look-ups");
  plan->add_flag("--dry-run", options->dry_run, "do not keep the plan");
  plan->footer(
      "Examples:\n  dmarcate changes plan example.com\n"
      "  dmarcate changes plan example.com --spf -o json");
  app->OnSelected(plan, [app, options] {
    v1::CreateChangeRequest request;
    request.set_parent(DomainResource(options->domain));
    if (options->spf || options->dmarc) {
      request.mutable_intent()->set_spf_from_decisions(options->spf);
      request.mutable_intent()->set_dmarc_report_address(options->dmarc);
    }
    if (options->no_flatten) request.mutable_intent()->set_flatten(v1::Intent::FLATTEN_NEVER);
    request.set_validate_only(options->dry_run);
    v1::CreateChangeResponse response;
    const auto stub = v1::ChangeService::NewStub(app->policyd());
    const grpc::Status status = Call(app, *stub, &Stub::CreateChange, request, &response);
    if (!status.ok()) return app->Fail("plan not made", status);
    Show(*app, response.change());
    if (options->dry_run) {
      app->Note("this plan was not kept");
    } else if (response.change().state() == v1::Change::STATE_PLANNED &&
               app->format() == Format::kTable) {
      FlushOut();
      app->Note(fmt::format("next: dmarcate changes apply {}", response.change().name()));
    }
    return ExitCodeFor(response.change());
  });

  const auto one = [&options](CLI::App* command) {
    command->add_option("CHANGE", options->change, "change id or resource name")->required();
    command->add_option("--domain", options->domain, "domain of the change");
  };
  CLI::App* show = group->add_subcommand("show", "one change: diff, guards, steps, verification");
  one(show);
  show->footer(
      "Examples:\n  dmarcate changes show 20260629-1a2b --domain example.com\n"
      "  dmarcate changes show domains/example.com/changes/20260629-1a2b -o json");
  app->OnSelected(show, [app, options] {
    if (LacksDomain(*options)) return app->MissingDomain("changes show", options->change);
    const auto stub = v1::ChangeService::NewStub(app->policyd());
    v1::Change change;
    const grpc::Status status = Get(app, *stub, *options, &change);
    if (!status.ok()) return app->Fail("change not read", status);
    Show(*app, change);
    return static_cast<int>(kDone);
  });

  CLI::App* apply =
      group->add_subcommand("apply", "write exactly what the plan shows, and verify it");
  one(apply);
  apply->add_option("--digest", options->digest, "apply only if the plan has this digest");
  apply->add_flag("--dry-run", options->dry_run, "all checks, no write");
  apply->footer(
      "Examples:\n  dmarcate changes apply 20260629-1a2b --domain example.com --dry-run\n"
      "  dmarcate changes apply 20260629-1a2b --domain example.com --yes");
  app->OnSelected(apply, [app, options] { return Apply(app, *options); });

  CLI::App* rollback =
      group->add_subcommand("rollback", "restore the exact bytes from before a change");
  one(rollback);
  rollback->add_flag("--dry-run", options->dry_run, "show the plan of the rollback");
  rollback->footer("Examples:\n  dmarcate changes rollback 20260629-1a2b --domain example.com");
  app->OnSelected(rollback, [app, options] { return RollBack(app, *options); });

  CLI::App* list = group->add_subcommand("list", "changes, newest first");
  list->add_option("DOMAIN", options->domain, "default: all");
  options->page.Add(list);
  list->footer("Examples:\n  dmarcate changes list\n  dmarcate changes list example.com -o json");
  app->OnSelected(list, [app, options] {
    v1::ListChangesRequest request;
    request.set_parent(options->domain.empty() ? "domains/-" : DomainResource(options->domain));
    options->page.Fill(&request);
    v1::ListChangesResponse response;
    const auto stub = v1::ChangeService::NewStub(app->policyd());
    const grpc::Status status = Call(app, *stub, &Stub::ListChanges, request, &response);
    if (!status.ok()) return app->Fail("changes not listed", status);
    Print(app->format(), response, "changes", ChangeTable(response.changes()));
    NoteNextPage(*app, response);
    return static_cast<int>(kDone);
  });
}

}  // namespace dmarcate::cli
