// dmarcate reports failures: single messages that failed authentication (RFC 9991).

#include "cli/failures.h"

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/messages.h"
#include "cli/report_list.h"
#include "cli/report_text.h"
#include "cli/trust_text.h"
#include "dmarcate/v1/report.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::ReportService::Stub;

struct Options {
  std::string report;
  ReportListOptions list;
};

std::string FailuresText(const v1::FailureReport& report) {
  std::vector<std::string> words;
  for (const v1::UntrustedText& word : report.auth_failures()) words.push_back(word.value());
  return OrDash(Join(words, " "));
}

Table FailureTable(const google::protobuf::RepeatedPtrField<v1::FailureReport>& reports) {
  Table table({{"REPORT"},
               {"DAY"},
               {"ADDRESS"},
               {"FAILED"},
               {"DELIVERY"},
               {"FROM"},
               {"COUNT", Align::kRight},
               {"MAIL_FROM", Align::kLeft, true},
               {"DKIM", Align::kLeft, true},
               {"REPORTER", Align::kLeft, true},
               {"TRUST"},
               {"REASON"},
               {"REDACTED", Align::kLeft, true},
               {"RECEIVED", Align::kLeft, true}});
  for (const v1::FailureReport& report : reports) {
    table.Add(report.name(),
              {std::string(LastSegment(report.name())), Text(report.date()),
               OrDash(report.source_address().value()), FailuresText(report),
               OrDash(report.delivery_result()), OrDash(report.original_from_domain().value()),
               CountCell(report.incident_count()), report.original_mail_from_domain().value(),
               report.dkim_domain().value(), report.user_agent().value(),
               EnumText(v1::TrustClass_Name(report.trust()), "TRUST_CLASS_"), report.trust_reason(),
               report.redacted() ? "yes" : "no", Text(report.receive_time())});
  }
  return table;
}

std::string ReportText(const v1::FailureReport& report) {
  std::string out =
      fmt::format("failure report about {} (day {})\n",
                  EscapeForTerminal(report.reported_domain().value()), Text(report.date()));
  const auto line = [&out](std::string_view label, const std::string& value) {
    if (!value.empty()) out += fmt::format("{:<11} {}\n", label, EscapeForTerminal(value));
  };
  line("failed", FailuresText(report));
  line("address", report.source_address().value());
  line("arrived", report.arrival_date().value());
  line("delivery", report.delivery_result());
  line("from", report.original_from_domain().value());
  line("mail from", report.original_mail_from_domain().value());
  line("dkim", report.dkim_domain().value());
  line("selector", report.dkim_selector().value());
  line("alignment", report.identity_alignment().value());
  line("spf", report.spf_dns().value());
  line("results", report.authentication_results().value());
  line("message id", report.original_message_id().value());
  line("reporter", report.user_agent().value());
  line("messages", std::to_string(report.incident_count()));
  line("redacted", report.redacted() ? "yes" : "no");
  // Failure reports are not counted, whatever their trust.
  line("trust", TrustText(report.trust(), report.trust_reason()));
  line("came", ArrivalText(report.receive_time(), report.channel()));
  for (const v1::ParseFinding& finding : report.findings()) {
    out += fmt::format("repair      {} at {}: '{}' read as '{}'{}\n", finding.code(),
                       EscapeForTerminal(finding.path()), EscapeForTerminal(finding.raw().value()),
                       EscapeForTerminal(finding.chosen().value()),
                       finding.material() ? " (material)" : "");
  }
  return out;
}

int List(App* app, const Options& options) {
  v1::ListFailureReportsRequest request;
  if (const auto status = options.list.Fill(&request); !status.ok()) {
    return app->Fail("failure reports not listed", status);
  }
  v1::ListFailureReportsResponse response;
  const auto stub = v1::ReportService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::ListFailureReports, request, &response);
  if (!status.ok()) return app->Fail("failure reports not listed", status);
  Print(app->format(), response, "failure_reports", FailureTable(response.failure_reports()));
  NoteNextPage(*app, response);
  return kDone;
}

int Get(App* app, const std::string& name) {
  const auto stub = v1::ReportService::NewStub(app->policyd());
  v1::GetFailureReportRequest request;
  request.set_name(name);
  v1::GetFailureReportResponse response;
  const grpc::Status status = Call(app, *stub, &Stub::GetFailureReport, request, &response);
  if (!status.ok()) return app->Fail("failure report not read", status);
  const v1::FailureReport& report = response.failure_report();
  if (app->format() == Format::kTable) {
    WriteOut(ReportText(report));
    return kDone;
  }
  google::protobuf::RepeatedPtrField<v1::FailureReport> one;
  *one.Add() = report;
  Print(app->format(), report, "", FailureTable(one));
  return kDone;
}

}  // namespace

void AddFailures(CLI::App* reports, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* list = reports->add_subcommand(
      "failures", "failure reports of a domain: single messages, newest day first");
  options->list.Add(list);
  list->footer(
      "Examples:\n  dmarcate reports failures example.com --days 7\n"
      "  dmarcate reports failures example.com -o jsonl");
  app->OnSelected(list, [app, options] { return List(app, *options); });

  CLI::App* get = reports->add_subcommand("failure", "one failure report, with its repairs");
  get->add_option("REPORT", options->report, "report id or resource name")->required();
  get->add_option("--domain", options->list.domain, "domain of the report");
  get->footer(
      "Examples:\n  dmarcate reports failure 20260629-00000000000a3f01-0 --domain example.com");
  app->OnSelected(get, [app, options] {
    const std::string name = ChildResource(options->report, "failureReports", options->list.domain);
    if (name.empty()) {
      return app->MissingDomain("reports failure", options->report);
    }
    return Get(app, name);
  });
}

}  // namespace dmarcate::cli
