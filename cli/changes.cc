// dmarcate changes: plan, look, compare, export; change_apply.h has the rest.

#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/change_apply.h"
#include "cli/change_text.h"
#include "cli/messages.h"
#include "cli/spf_terms.h"
#include "dmarcate/v1/change.grpc.pb.h"
#include "dmarcate/v1/domain.grpc.pb.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/mta_sts_policy.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::ChangeService::Stub;

struct Options {
  std::string domain, change, format, flatten, repair, keep, mta_sts;
  std::vector<std::string> prune;
  bool spf = false, dmarc = false, no_mta_sts = false, dry_run = false, exit_code = false;
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

// What a plan takes its time for; who does not answer is named at the end.
std::string ReadsZoneOf(std::string_view domain) {
  return fmt::format("the records of {} are read at its DNS provider and at each name server",
                     LastSegment(domain));
}

// What `changes plan` would show for a domain, not kept.
grpc::Status DiffOf(App* app, Stub& stub, const std::string& domain, v1::Change* change) {
  v1::CreateChangeRequest request;
  request.set_parent(domain);
  request.set_validate_only(true);
  v1::CreateChangeResponse response;
  app->Expect(ReadsZoneOf(domain));
  const grpc::Status status = Call(app, stub, &Stub::CreateChange, request, &response);
  *change = response.change();
  return status;
}

// A domain, and the account that its records are read from; empty: not known.
struct Managed {
  std::string name, dns_provider;
};

grpc::Status AllDomains(App* app, std::vector<Managed>* domains) {
  const auto stub = v1::DomainService::NewStub(app->policyd());
  v1::ListDomainsRequest request;
  request.set_page_size(1000);
  while (true) {
    v1::ListDomainsResponse response;
    const grpc::Status status =
        Call(app, *stub, &v1::DomainService::Stub::ListDomains, request, &response);
    if (!status.ok()) return status;
    for (const v1::Domain& domain : response.domains()) {
      domains->push_back({domain.name(), domain.dns_provider()});
    }
    if (response.next_page_token().empty()) return status;
    request.set_page_token(response.next_page_token());
  }
}

int Diff(App* app, const Options& options) {
  std::vector<Managed> domains;
  if (options.domain.empty()) {
    const grpc::Status status = AllDomains(app, &domains);
    if (!status.ok()) return app->Fail("domains not listed", status);
  } else {
    domains.push_back({DomainResource(options.domain), ""});
  }
  const auto stub = v1::ChangeService::NewStub(app->policyd());
  v1::ListChangesResponse differing;
  int failures = 0;
  int last = kDone;
  // Each attempt on a host that is down takes some seconds: one is enough for all its domains.
  std::set<std::string> down;
  for (const Managed& domain : domains) {
    if (down.contains(domain.dns_provider)) {
      ++failures;
      app->Note(fmt::format("{} not compared: {} could not be reached", domain.name,
                            domain.dns_provider));
      continue;
    }
    v1::Change change;
    const grpc::Status status = DiffOf(app, *stub, domain.name, &change);
    if (!status.ok()) {
      ++failures;
      last = app->Fail(fmt::format("{} not compared", domain.name), status);
      if (App::ReasonOf(status) == "PROVIDER_UNAVAILABLE" && !domain.dns_provider.empty()) {
        down.insert(domain.dns_provider);
      }
    } else if (Differs(change)) {
      *differing.add_changes() = change;
    }
  }
  if (app->format() == Format::kTable) {
    for (const v1::Change& change : differing.changes()) WriteOut(PlanText(change));
    FlushOut();
    app->Note(fmt::format("{} compared, {} with a difference",
                          Counted(std::ssize(domains), "domain"), differing.changes_size()));
  } else {
    Print(app->format(), differing, "changes", ChangeTable(differing.changes()));
  }
  if (failures > 0) return domains.size() == 1 ? last : static_cast<int>(kPartFailed);
  return options.exit_code && !differing.changes().empty() ? kDifferences : kDone;
}

// What to type after a plan.
void NoteNext(const App& app, const std::string& domain, const v1::Change& change) {
  if (app.format() != Format::kTable) return;
  FlushOut();
  if (change.state() == v1::Change::STATE_PLANNED) {
    app.Note(fmt::format("next: dmarcate changes apply {}", change.name()));
  } else if (change.state() == v1::Change::STATE_REFUSED) {
    app.Try(StepsAfterRefusal(change));
  } else if (change.state() == v1::Change::STATE_SUCCEEDED) {
    app.Note(fmt::format("the records say what was decided; what is missing: dmarcate status {}",
                         LastSegment(DomainResource(domain))));
  }
}

// The file that `changes plan --mta-sts` names.
absl::StatusOr<std::string> ReadPolicyFile(const std::string& path) {
  DMARCATE_ASSIGN_OR_RETURN(std::string text,
                            ReadFile(path == "-" ? "/dev/stdin" : path, kMaxMtaStsPolicyOctets));
  // Nothing would mean to take the record away.
  if (!text.empty() && IsValidUtf8(text)) return text;
  return MakeError(absl::StatusCode::kInvalidArgument,
                   fmt::format("{}: {}", path,
                               text.empty() ? "is empty; to take the record away: --no-mta-sts"
                                            : "is no text, so no policy"));
}

int Export(App* app, const Options& options) {
  if (LacksDomain(options)) return app->MissingDomain("changes export", options.change);
  static const std::map<std::string, v1::ExportChangeRequest::Format> kFormats = {
      {"bind", v1::ExportChangeRequest::FORMAT_BIND},
      {"dnscontrol", v1::ExportChangeRequest::FORMAT_DNSCONTROL},
      {"octodns", v1::ExportChangeRequest::FORMAT_OCTODNS},
      {"terraform", v1::ExportChangeRequest::FORMAT_TERRAFORM}};
  v1::ExportChangeRequest request;
  request.set_name(ChildResource(options.change, "changes", options.domain));
  request.set_format(kFormats.at(options.format));
  v1::ExportChangeResponse response;
  const auto stub = v1::ChangeService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::ExportChange, request, &response);
  if (!status.ok()) return app->Fail("change not exported", status);
  if (app->format() == Format::kTable) {
    WriteOut(response.text());
  } else {
    Table table({{"TEXT"}});
    table.Add(request.name(), {response.text()});
    Print(app->format(), response, "", table);
  }
  return kDone;
}

}  // namespace

void AddChanges(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group =
      root->add_subcommand("changes", "plan, look, apply, cancel, roll back")->alias("change");
  group->require_subcommand(1);

  CLI::App* plan = group->add_subcommand("plan", "what the decisions would write; writes no DNS");
  plan->add_option("DOMAIN", options->domain)->required();
  plan->add_flag("--spf", options->spf, "only SPF, from the decisions about sources");
  plan->add_flag("--dmarc", options->dmarc, "only rua=, from the domain's report mailbox");
  plan->add_option("--flatten", options->flatten,
                   "if-needed: terms of approved sources may stand as addresses in child records "
                   "where the record would take more than 10 look-ups; never; default: as it is")
      ->check(CLI::IsMember({"if-needed", "never"}).description(""));
  plan->add_option("--repair", options->repair,
                   "spf or dmarc: one record out of several, or out of what is nearly one")
      ->check(CLI::IsMember({"spf", "dmarc"}).description(""));
  plan->add_option("--keep", options->keep, "the record that stays, as it is live")
      ->needs("--repair");
  plan->add_option("--prune", options->prune,
                   "terms that go out of SPF, as they are live; `changes terms` says which carried "
                   "nothing")
      ->excludes("--spf", "--dmarc", "--flatten", "--repair");
  plan->add_option("--mta-sts", options->mta_sts,
                   "the record that announces this policy file (- for standard input), which is "
                   "served already")
      ->excludes("--spf", "--dmarc", "--flatten", "--repair", "--prune");
  plan->add_flag("--no-mta-sts", options->no_mta_sts,
                 "take that record away; a policy of mode none goes before it")
      ->excludes("--spf", "--dmarc", "--flatten", "--repair", "--prune", "--mta-sts");
  plan->add_flag("--dry-run", options->dry_run, "do not keep the plan");
  plan->footer(
      "Examples:\n  dmarcate changes plan example.com\n"
      "  dmarcate changes plan example.com --spf --flatten if-needed\n"
      "  dmarcate changes plan example.com --repair dmarc --keep \"v=DMARC1; p=none\"\n"
      "  dmarcate changes plan example.com --prune include:old.example ip4:192.0.2.1\n"
      "  dmarcate changes plan example.com --mta-sts mta-sts.txt\n"
      "  dmarcate changes plan example.com --spf -o json");
  app->OnSelected(plan, [app, options] {
    v1::CreateChangeRequest request;
    request.set_parent(DomainResource(options->domain));
    if (options->spf || options->dmarc) {
      request.mutable_intent()->set_spf_from_decisions(options->spf);
      request.mutable_intent()->set_dmarc_report_address(options->dmarc);
    }
    if (!options->flatten.empty()) {
      // An intent that says nothing else means what no intent does.
      request.mutable_intent()->set_flatten(
          options->flatten == "never" ? v1::Intent::FLATTEN_NEVER : v1::Intent::FLATTEN_IF_NEEDED);
    }
    if (!options->repair.empty()) {
      request.mutable_intent()->set_repair(options->repair == "spf" ? v1::Intent::REPAIR_SPF
                                                                    : v1::Intent::REPAIR_DMARC);
      request.mutable_intent()->set_repair_keep(options->keep);
    }
    for (const std::string& term : options->prune) request.mutable_intent()->add_prune(term);
    if (options->no_mta_sts) {
      request.mutable_intent()->mutable_mta_sts();
    } else if (!options->mta_sts.empty()) {
      const absl::StatusOr<std::string> file = ReadPolicyFile(options->mta_sts);
      if (!file.ok()) return app->Fail("plan not made", file.status());
      request.mutable_intent()->mutable_mta_sts()->set_file(*file);
    }
    request.set_validate_only(options->dry_run);
    v1::CreateChangeResponse response;
    const auto stub = v1::ChangeService::NewStub(app->policyd());
    app->Expect(ReadsZoneOf(options->domain));
    const grpc::Status status = Call(app, *stub, &Stub::CreateChange, request, &response);
    if (!status.ok()) return app->Fail("plan not made", status);
    if (options->dry_run) {
      ShowPlan(*app, response.change());
    } else {
      ShowChange(*app, response.change());
      NoteNext(*app, options->domain, response.change());
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
    ShowChange(*app, change);
    return static_cast<int>(kDone);
  });

  CLI::App* diff = group->add_subcommand(
      "diff", "what plans would write now, for one domain or all; keeps no plan");
  diff->add_option("DOMAIN", options->domain, "default: all");
  diff->add_flag("--exit-code", options->exit_code, "end with 3 if there is a difference");
  diff->footer(
      "Examples:\n  dmarcate changes diff example.com\n"
      "  dmarcate changes diff --exit-code -o json");
  app->OnSelected(diff, [app, options] { return Diff(app, *options); });

  CLI::App* export_command =
      group->add_subcommand("export", "the records of a change for another tool");
  one(export_command);
  export_command->add_option("--format", options->format, "bind, dnscontrol, octodns or terraform")
      ->required()
      ->check(CLI::IsMember({"bind", "dnscontrol", "octodns", "terraform"}).description(""));
  export_command->footer(
      "Examples:\n  dmarcate changes export 20260629-1a2b --domain example.com --format bind\n"
      "  dmarcate changes export domains/example.com/changes/20260629-1a2b --format terraform");
  app->OnSelected(export_command, [app, options] { return Export(app, *options); });

  AddChangeApply(group, app);
  AddSpfTerms(group, app);

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
