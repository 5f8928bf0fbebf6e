// dmarcate records: what the live DNS says, seen by policyd.

#include <cctype>
#include <memory>
#include <string>
#include <vector>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/dkim_text.h"
#include "cli/history_text.h"
#include "cli/posture_text.h"
#include "dmarcate/v1/record.grpc.pb.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::RecordService::Stub;

struct Options {
  std::string domain, text, name, type;
  std::vector<std::string> selectors;
  PageOptions page;
  bool inbound = false;
};

// "mta-sts" to RECORD_TYPE_MTA_STS; unspecified for "".
v1::RecordType TypeOf(const std::string& text) {
  std::string name = "RECORD_TYPE_";
  for (const char c : text) name += c == '-' ? '_' : static_cast<char>(std::toupper(c));
  v1::RecordType type = v1::RECORD_TYPE_UNSPECIFIED;
  v1::RecordType_Parse(name, &type);
  return type;
}

bool ForPeople(const App& app) {
  return app.format() == Format::kTable || app.format() == Format::kWide;
}

int History(App* app, const Options& options) {
  v1::ListRecordHistoryRequest request;
  request.set_parent(DomainResource(options.domain));
  request.set_owner_name(options.name);
  request.set_type(TypeOf(options.type));
  options.page.Fill(&request);
  v1::ListRecordHistoryResponse response;
  const auto stub = v1::RecordService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::ListRecordHistory, request, &response);
  if (!status.ok()) return app->Fail("history not read", status);
  if (app->format() == Format::kTable) {
    WriteOut(HistoryText(response));
  } else {
    Print(app->format(), response, "observations", HistoryTable(response));
  }
  if (response.observations().empty() && options.page.token.empty()) {
    app->Note(options.name.empty() && options.type.empty()
                  ? "policyd has not looked yet, or watch.interval in its configuration is 0s"
                  : "no look at such a name; without --name and --type all of them are shown");
  }
  NoteNextPage(*app, response);
  return kDone;
}

int Dkim(App* app, const Options& options) {
  v1::InspectRecordsRequest request;
  request.set_parent(DomainResource(options.domain));
  request.add_types(v1::RECORD_TYPE_DKIM);
  for (const std::string& selector : options.selectors) request.add_dkim_selectors(selector);
  v1::InspectRecordsResponse response;
  const auto stub = v1::RecordService::NewStub(app->policyd());
  app->Expect("each name server is asked");
  const grpc::Status status = Call(app, *stub, &Stub::InspectRecords, request, &response);
  if (!status.ok()) return app->Fail("keys not read", status);
  Print(app->format(), response, "records", DkimTable(response));
  if (ForPeople(*app)) WriteOut(DkimFindingsText(response));
  if (response.records().empty()) {
    app->Note("no selector is known from the reports of the last 30 days; --selector names one");
  }
  return kDone;
}

}  // namespace

void AddRecords(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group = root->add_subcommand("records", "what the live DNS says")->alias("record");
  group->require_subcommand(1);

  CLI::App* show = group->add_subcommand(
      "show", "SPF, DMARC, DKIM, MX, MTA-STS and TLS-RPT, every server side by side");
  show->add_option("DOMAIN", options->domain)->required();
  show->add_option("--selector", options->selectors, "DKIM selectors beside those seen in reports");
  show->add_flag("--inbound", options->inbound,
                 "have policyd connect to the mail servers and fetch the MTA-STS policy");
  show->footer(
      "Examples:\n  dmarcate records show example.com\n  dmarcate records show example.com "
      "--selector s1 -o json");
  app->OnSelected(show, [app, options] {
    v1::InspectRecordsRequest request;
    request.set_parent(DomainResource(options->domain));
    for (const std::string& selector : options->selectors) request.add_dkim_selectors(selector);
    request.set_inbound(options->inbound);
    v1::InspectRecordsResponse response;
    const auto stub = v1::RecordService::NewStub(app->policyd());
    const grpc::Status status = Call(app, *stub, &Stub::InspectRecords, request, &response);
    if (!status.ok()) return app->Fail("records not read", status);
    if (ForPeople(*app)) {
      WriteOut(PostureText(response) + InboundText(response) + DriftText(response));
    } else {
      Print(app->format(), response, "records", PostureTable(response));
    }
    return static_cast<int>(kDone);
  });

  CLI::App* dkim = group->add_subcommand(
      "dkim", "the key of each DKIM selector, and what reports say of signatures with it");
  dkim->add_option("DOMAIN", options->domain)->required();
  dkim->add_option("--selector", options->selectors, "look at these beside those seen in reports");
  dkim->footer(
      "Selectors of signatures that passed in the last 30 days are looked at by themselves;\n"
      "anybody can write one that fails, so others have to be named.\nExamples:\n"
      "  dmarcate records dkim example.com\n"
      "  dmarcate records dkim example.com --selector s1 --selector s2 -o json");
  app->OnSelected(dkim, [app, options] { return Dkim(app, *options); });

  CLI::App* history = group->add_subcommand("history", "what was live, and what changed when");
  history->add_option("DOMAIN", options->domain)->required();
  history->add_option("--name", options->name, "this owner name alone: _dmarc.example.com");
  history->add_option("--type", options->type, "spf, dmarc, dkim, mx, mta-sts or tls-rpt alone")
      ->check(CLI::IsMember({"spf", "dmarc", "dkim", "mx", "mta-sts", "tls-rpt"}));
  options->page.Add(history);
  history->footer(
      "Newest first for each name. What an SPF record includes is there, too, as spf.\nExamples:\n"
      "  dmarcate records history example.com\n"
      "  dmarcate records history example.com --name _dmarc.example.com -o json");
  app->OnSelected(history, [app, options] { return History(app, *options); });

  CLI::App* lint =
      group->add_subcommand("lint", "findings about the live records, or about a text");
  lint->add_option("DOMAIN", options->domain);
  lint->add_option(
      "--text", options->text,
      "lint this instead: a record by its version tag (SPF, DMARC, DKIM, MTA-STS, TLS-RPT, "
      "BIMI), an MTA-STS policy, or TLSA records '3 1 1 ...', one on each line");
  lint->footer(
      "Exit code 3 if there is an error or a warning.\nExamples:\n  dmarcate records lint "
      "example.com\n  dmarcate records lint --text 'v=DMARC1; p=reject'\n  dmarcate records lint "
      "--text \"$(cat mta-sts.txt)\"");
  app->OnSelected(lint, [app, options] {
    v1::LintRecordsRequest request;
    if (!options->text.empty()) {
      request.set_text(options->text);
    } else if (!options->domain.empty()) {
      request.set_parent(DomainResource(options->domain));
    } else {
      return app->Fail(kUsage, "USAGE", "records lint", "nothing to lint",
                       {"name a DOMAIN, or pass --text RECORD"});
    }
    v1::LintRecordsResponse response;
    const auto stub = v1::RecordService::NewStub(app->policyd());
    const grpc::Status status = Call(app, *stub, &Stub::LintRecords, request, &response);
    if (!status.ok()) return app->Fail("records not linted", status);
    Print(app->format(), response, "findings", FindingsTable(response.findings()));
    for (const v1::LintFinding& finding : response.findings()) {
      if (finding.severity() != v1::SEVERITY_INFO) return static_cast<int>(kDifferences);
    }
    return static_cast<int>(kDone);
  });

  CLI::App* tree = group->add_subcommand("tree", "the SPF record through its includes, with costs");
  tree->add_option("DOMAIN", options->domain)->required();
  tree->add_option("--text", options->text, "expand this record as if it were live");
  tree->footer(
      "Examples:\n  dmarcate records tree example.com\n  dmarcate records tree example.com --text "
      "'v=spf1 include:_spf.example.net -all'");
  app->OnSelected(tree, [app, options] {
    v1::ExpandSpfRequest request;
    request.set_parent(DomainResource(options->domain));
    request.set_text(options->text);
    v1::ExpandSpfResponse response;
    const auto stub = v1::RecordService::NewStub(app->policyd());
    const grpc::Status status = Call(app, *stub, &Stub::ExpandSpf, request, &response);
    if (!status.ok()) return app->Fail("SPF not expanded", status);
    if (ForPeople(*app)) {
      WriteOut(SpfTreeText(response.tree()));
    } else {
      Print(app->format(), response, "", Table({}));
    }
    return static_cast<int>(kDone);
  });
}

}  // namespace dmarcate::cli
