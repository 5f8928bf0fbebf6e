// dmarcate insights: what a person should know about the records, and what was said about it.

#include <memory>
#include <string>
#include <vector>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/insight_text.h"
#include "cli/messages.h"
#include "dmarcate/v1/insight.grpc.pb.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::InsightService::Stub;

struct Options {
  std::string domain = "-", of, note, etag, severity;
  std::vector<std::string> insights, states, codes;
  bool dry_run = false, exit_code = false;
  PageOptions page;
};

v1::Severity SeverityOf(const std::string& text) {
  if (text == "info") return v1::SEVERITY_INFO;
  if (text == "warning") return v1::SEVERITY_WARNING;
  return text == "error" ? v1::SEVERITY_ERROR : v1::SEVERITY_UNSPECIFIED;
}

v1::Insight::State StateOf(const std::string& text) {
  if (text == "active") return v1::Insight::STATE_ACTIVE;
  if (text == "accepted") return v1::Insight::STATE_ACCEPTED;
  return text == "dismissed" ? v1::Insight::STATE_DISMISSED : v1::Insight::STATE_RESOLVED;
}

bool ForPeople(const App& app) { return app.format() == Format::kTable; }

void PrintOne(const App& app, const v1::Insight& insight) {
  if (ForPeople(app)) {
    WriteOut(InsightText(insight));
    return;
  }
  google::protobuf::RepeatedPtrField<v1::Insight> one;
  *one.Add() = insight;
  Print(app.format(), insight, "", InsightTable(one));
}

int List(App* app, const Options& options) {
  v1::ListInsightsRequest request;
  request.set_parent(DomainResource(options.domain));
  options.page.Fill(&request);
  request.set_min_severity(SeverityOf(options.severity));
  for (const std::string& code : options.codes) request.add_codes(code);
  bool all = false;
  for (const std::string& state : options.states) all = all || state == "all";
  if (options.states.empty()) request.add_states(v1::Insight::STATE_ACTIVE);
  for (const std::string& state : options.states) {
    if (!all) request.add_states(StateOf(state));
  }
  v1::ListInsightsResponse response;
  const auto stub = v1::InsightService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::ListInsights, request, &response);
  if (!status.ok()) return app->Fail("insights not listed", status);
  if (ForPeople(*app)) {
    WriteOut(InsightsText(response));
  } else {
    Print(app->format(), response, "insights", InsightTable(response.insights()));
  }
  for (const std::string& line : UnknownLines(response)) app->Note(line);
  NoteNextPage(*app, response);
  if (!options.exit_code) return kDone;
  if (!response.insights().empty()) return kDifferences;
  return NothingIsKnown(response) ? kUnavailable : kDone;
}

int Get(App* app, const Options& options) {
  v1::GetInsightRequest request;
  request.set_name(ChildResource(options.insights.front(), "insights", options.of));
  if (request.name().empty()) return app->MissingDomain("insights get", options.insights.front());
  v1::GetInsightResponse response;
  const auto stub = v1::InsightService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::GetInsight, request, &response);
  if (!status.ok()) return app->Fail("insight not read", status);
  PrintOne(*app, response.insight());
  return kDone;
}

// The etag that the user passed, or that of the insight as it is now.
grpc::Status EtagOf(App* app, Stub& stub, const Options& options, const std::string& name,
                    std::string* etag) {
  *etag = options.etag;
  if (!etag->empty()) return grpc::Status::OK;
  v1::GetInsightRequest request;
  request.set_name(name);
  v1::GetInsightResponse response;
  const grpc::Status status = Call(app, stub, &Stub::GetInsight, request, &response);
  if (status.ok()) *etag = response.insight().etag();
  return status;
}

// Accept and dismiss differ only in the message.
template <typename Request, typename Response>
int Decide(App* app, const Options& options, std::string_view command, std::string_view verb,
           grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*)) {
  const auto stub = v1::InsightService::NewStub(app->policyd());
  v1::ListInsightsResponse decided;
  int failed = 0, code = kDone;
  for (const std::string& insight : options.insights) {
    const std::string name = ChildResource(insight, "insights", options.of);
    if (name.empty()) return app->MissingDomain(fmt::format("insights {}", command), insight);
    Request request;
    request.set_name(name);
    request.set_note(options.note);
    request.set_validate_only(options.dry_run);
    Response response;
    grpc::Status status = EtagOf(app, *stub, options, name, request.mutable_etag());
    if (status.ok()) status = Call(app, *stub, method, request, &response);
    if (!status.ok()) {
      ++failed;
      code = app->Fail(fmt::format("{} not {}", LastSegment(name), verb), status);
      continue;
    }
    if (response.insight().state() == v1::Insight::STATE_RESOLVED) {
      app->Note(fmt::format("{} is resolved; nothing was to decide", name));
    }
    *decided.add_insights() = response.insight();
  }
  if (decided.insights_size() == 1) {
    PrintOne(*app, decided.insights(0));
  } else if (decided.insights_size() > 1) {
    Print(app->format(), decided, "insights", InsightTable(decided.insights()));
  }
  if (options.dry_run) app->Note("checked only; nothing was kept");
  return failed > 0 && decided.insights_size() > 0 ? static_cast<int>(kPartFailed) : code;
}

void AddDecisions(CLI::App* group, App* app, const std::shared_ptr<Options>& options) {
  const auto common = [&options](CLI::App* command) {
    command->add_option("INSIGHT", options->insights, "insight ids or resource names")->required();
    command->add_option("--domain", options->of, "domain of the insights");
    command->add_option("--note", options->note, "why; kept with the decision");
    command->add_option("--etag", options->etag, "etag that was seen; default: as it is now");
    command->add_flag("--dry-run", options->dry_run, "check only");
  };
  CLI::App* accept = group->add_subcommand(
      "accept", "we know, and live with it; it comes back when it gets worse");
  common(accept);
  accept->footer(
      "Examples:\n  dmarcate insights accept spf-lookup-margin-0a1b2c3d4e --domain example.com "
      "--note 'until the move'");
  app->OnSelected(accept, [app, options] {
    return Decide(app, *options, "accept", "accepted", &Stub::AcceptInsight);
  });
  CLI::App* dismiss =
      group->add_subcommand("dismiss", "this is nothing; it comes back when it gets worse");
  common(dismiss);
  dismiss->footer(
      "Examples:\n  dmarcate insights dismiss include-changed-0a1b2c3d4e --domain example.com");
  app->OnSelected(dismiss, [app, options] {
    return Decide(app, *options, "dismiss", "dismissed", &Stub::DismissInsight);
  });
}

}  // namespace

void AddInsights(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group =
      root->add_subcommand("insights", "what you should know about the records")->alias("insight");
  group->require_subcommand(1);

  CLI::App* list = group->add_subcommand("list", "what is new or undecided, the worst first");
  list->add_option("DOMAIN", options->domain, "default: all domains that are managed");
  list->add_option("--state", options->states,
                   "active, accepted, dismissed, resolved or all; default active")
      ->check(CLI::IsMember({"active", "accepted", "dismissed", "resolved", "all"}));
  list->add_option("--min-severity", options->severity, "info, warning or error")
      ->check(CLI::IsMember({"info", "warning", "error"}));
  list->add_option("--code", options->codes, "this code alone: SPF_DANGLING");
  list->add_flag("--exit-code", options->exit_code,
                 "exit with 3 if the list is not empty, with 8 if it is and nothing is known of a "
                 "domain: nobody has looked, or not for a day");
  options->page.Add(list);
  list->footer(
      "Examples:\n  dmarcate insights list\n"
      "  dmarcate insights list example.com --state all -o json\n"
      "  dmarcate insights list --min-severity warning --exit-code");
  app->OnSelected(list, [app, options] { return List(app, *options); });

  CLI::App* get = group->add_subcommand("get", "one insight, and the command that shows why");
  get->add_option("INSIGHT", options->insights, "insight id or resource name")
      ->required()
      ->expected(1);
  get->add_option("--domain", options->of, "domain of the insight");
  get->footer("Examples:\n  dmarcate insights get spf-dangling-0a1b2c3d4e --domain example.com");
  app->OnSelected(get, [app, options] { return Get(app, *options); });

  AddDecisions(group, app, options);
}

}  // namespace dmarcate::cli
