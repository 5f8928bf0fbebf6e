// dmarcate tls: how mail servers fared that wanted to deliver over TLS (RFC 8460).

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/messages.h"
#include "cli/report_list.h"
#include "cli/report_text.h"
#include "dmarcate/v1/report.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::ReportService::Stub;

struct Options {
  std::string report;
  ReportListOptions list;
};

// OK, FAILED and FAIL_RATE of any message that counts sessions.
template <typename Message>
void AppendSessions(const Message& message, std::vector<Cell>* cells) {
  const int64_t ok = message.successful_session_count(), failed = message.failed_session_count();
  cells->push_back(CountCell(ok));
  cells->push_back(CountCell(failed));
  cells->push_back(RateCell(failed, ok > INT64_MAX - failed ? INT64_MAX : ok + failed));
}
void AppendSessionColumns(std::vector<Column>* columns) {
  columns->push_back({"OK", Align::kRight});
  columns->push_back({"FAILED", Align::kRight});
  columns->push_back({"FAIL_RATE", Align::kRight});
}

int List(App* app, const Options& options) {
  v1::ListTlsReportsRequest request;
  if (const auto status = options.list.Fill(&request); !status.ok()) {
    return app->Fail("TLS reports not listed", status);
  }
  v1::ListTlsReportsResponse response;
  const auto stub = v1::ReportService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::ListTlsReports, request, &response);
  if (!status.ok()) return app->Fail("TLS reports not listed", status);
  std::vector<Column> columns = {{"REPORT"}, {"DAY"}, {"ORGANIZATION"}};
  AppendSessionColumns(&columns);
  for (const char* title : {"POLICIES", "DETAILS", "FINDINGS"}) {
    columns.push_back({title, Align::kRight});
  }
  columns.push_back({"TRUST"});
  columns.push_back({"REASON"});
  columns.push_back({"SUPERSEDED"});
  for (const char* title : {"CHANNEL", "REPORT_ID", "RECEIVED"}) {
    columns.push_back({title, Align::kLeft, true});
  }
  Table table(std::move(columns));
  for (const v1::TlsReport& report : response.tls_reports()) {
    std::vector<Cell> cells = {std::string(LastSegment(report.name())), Text(report.date()),
                               report.organization().value()};
    AppendSessions(report, &cells);
    for (const int32_t count :
         {report.policy_count(), report.failure_detail_count(), report.finding_count()}) {
      cells.push_back(std::to_string(count));
    }
    cells.push_back(EnumText(v1::TrustClass_Name(report.trust()), "TRUST_CLASS_"));
    cells.push_back(report.trust_reason());
    cells.push_back(report.superseded() ? "yes" : "");
    cells.push_back(report.channel());
    cells.push_back(report.report_id().value());
    cells.push_back(Text(report.receive_time()));
    table.Add(report.name(), std::move(cells));
  }
  Print(app->format(), response, "tls_reports", table);
  NoteNextPage(*app, response);
  return kDone;
}

Table FailureTable(const v1::TlsReport& report) {
  Table table({{"POLICY"},
               {"RESULT"},
               {"FAILED", Align::kRight},
               {"MX"},
               {"SENDER"},
               {"MX_ADDRESS", Align::kLeft, true},
               {"HELO", Align::kLeft, true},
               {"REASON", Align::kLeft, true},
               {"INFORMATION", Align::kLeft, true}});
  for (const v1::TlsPolicyResult& policy : report.policies()) {
    for (const v1::TlsFailureDetail& detail : policy.failure_details()) {
      table.Add(
          report.name(),
          {OrDash(policy.policy_type().value()), OrDash(detail.result_type().value()),
           CountCell(detail.failed_session_count()), OrDash(detail.receiving_mx_hostname().value()),
           OrDash(detail.sending_mta_ip().value()), detail.receiving_ip().value(),
           detail.receiving_mx_helo().value(), detail.failure_reason_code().value(),
           detail.additional_information().value()});
    }
  }
  return table;
}

std::string ReportText(const v1::TlsReport& report) {
  std::string out =
      fmt::format("{} on TLS\nreport  {}\nperiod  {} to {} (day {})\n",
                  EscapeForTerminal(report.organization().value()),
                  EscapeForTerminal(report.report_id().value()), Text(report.period().start_time()),
                  Text(report.period().end_time()), Text(report.date()));
  for (const v1::TlsPolicyResult& policy : report.policies()) {
    out += fmt::format("policy  {} for {}: {} sessions ok, {} failed\n",
                       EscapeForTerminal(OrDash(policy.policy_type().value())),
                       EscapeForTerminal(OrDash(policy.policy_domain().value())),
                       FormatCount(policy.successful_session_count()),
                       FormatCount(policy.failed_session_count()));
  }
  out += TrustLines(report);
  out += fmt::format("came    {}\n", ArrivalText(report.receive_time(), report.channel()));
  for (const v1::ParseFinding& finding : report.findings()) {
    out += fmt::format("repair  {} at {}: '{}' read as '{}'{}\n", finding.code(),
                       EscapeForTerminal(finding.path()), EscapeForTerminal(finding.raw().value()),
                       EscapeForTerminal(finding.chosen().value()),
                       finding.material() ? " (material)" : "");
  }
  const Table failures = FailureTable(report);
  return failures.empty() ? out : out + failures.Render(Format::kTable);
}

int Get(App* app, const std::string& name) {
  const auto stub = v1::ReportService::NewStub(app->policyd());
  v1::GetTlsReportRequest request;
  request.set_name(name);
  v1::TlsReport report;
  do {  // policies and their failures come in pages
    v1::GetTlsReportResponse response;
    const grpc::Status status = Call(app, *stub, &Stub::GetTlsReport, request, &response);
    if (!status.ok()) return app->Fail("TLS report not read", status);
    if (report.name().empty()) {
      report = response.tls_report();
    } else {
      for (const v1::TlsPolicyResult& policy : response.tls_report().policies()) {
        const int last = report.policies_size() - 1;
        if (last >= 0 && report.policies(last).policy_number() == policy.policy_number()) {
          report.mutable_policies(last)->mutable_failure_details()->MergeFrom(
              policy.failure_details());
        } else {
          *report.add_policies() = policy;
        }
      }
    }
    request.set_record_page_token(response.next_record_page_token());
  } while (!request.record_page_token().empty());
  if (app->format() == Format::kTable) {
    WriteOut(ReportText(report));
  } else {
    Print(app->format(), report, "", FailureTable(report));
  }
  return kDone;
}

// Of which classes the reports are that a row comes from: "authenticated imported".
template <typename Row>
std::string ClassesText(const Row& row) {
  std::vector<std::string> classes;
  for (const v1::TlsTrustSlice& slice : row.trust()) {
    classes.push_back(EnumText(v1::TrustClass_Name(slice.trust()), "TRUST_CLASS_"));
  }
  return Join(classes, " ");
}

// One table of all that the summary says: policy types, each by class of trust, then days, failures
// and reporters.
Table SummaryTable(const v1::SummarizeTlsReportsResponse& summary) {
  std::vector<Column> columns = {{"WHAT"}, {"NAME"}, {"MX"}};
  AppendSessionColumns(&columns);
  columns.push_back({"REPORTS", Align::kRight});
  columns.push_back({"LAST_DAY"});
  columns.push_back({"TRUST"});
  Table table(std::move(columns));
  const auto add = [&table](std::string_view what, const std::string& name, const auto& row,
                            std::string reports, std::string day, std::string trust) {
    std::vector<Cell> cells = {std::string(what), OrDash(name), ""};
    AppendSessions(row, &cells);
    cells.push_back(std::move(reports));
    cells.push_back(std::move(day));
    cells.push_back(std::move(trust));
    table.Add(name, std::move(cells));
  };
  for (const auto& row : summary.policy_types()) {
    add("policy", row.policy_type().value(), row, "", "", ClassesText(row));
    for (const v1::TlsTrustSlice& slice : row.trust()) {
      add("trust", row.policy_type().value(), slice, std::to_string(slice.report_count()), "",
          EnumText(v1::TrustClass_Name(slice.trust()), "TRUST_CLASS_"));
    }
  }
  for (const auto& row : summary.days()) {
    add("day", row.policy_type().value(), row, "", Text(row.date()), ClassesText(row));
  }
  for (const auto& row : summary.failures()) {
    table.Add(
        row.result_type().value(),
        {"failure", OrDash(row.result_type().value()), OrDash(row.receiving_mx_hostname().value()),
         "", CountCell(row.failed_session_count()), "", std::to_string(row.report_count()),
         Text(row.last_date()), ClassesText(row)});
  }
  for (const auto& row : summary.reporters()) {
    add("reporter", row.reporter().value(), row, std::to_string(row.report_count()),
        Text(row.last_date()), ClassesText(row));
  }
  return table;
}

int Summary(App* app, const Options& options) {
  v1::SummarizeTlsReportsRequest request;
  request.set_parent(DomainResource(options.list.domain));
  if (const auto status = options.list.range.Fill(request.mutable_date_range()); !status.ok()) {
    return app->Fail("TLS reports not summarized", status);
  }
  v1::SummarizeTlsReportsResponse response;
  const auto stub = v1::ReportService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::SummarizeTlsReports, request, &response);
  if (!status.ok()) return app->Fail("TLS reports not summarized", status);
  Print(app->format(), response, "", SummaryTable(response));
  if (response.uncounted_report_count() > 0) {
    app->Note(fmt::format("{} more reports are not counted: nobody vouches for them",
                          response.uncounted_report_count()));
  }
  if (response.failures_left_out() > 0 || response.reporters_left_out() > 0) {
    app->Note(fmt::format("left out: {} kinds of failure, {} reporters, the smallest ones",
                          response.failures_left_out(), response.reporters_left_out()));
  }
  return kDone;
}

}  // namespace

void AddTls(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group = root->add_subcommand("tls", "TLS reports: did mail reach us encrypted?");
  group->require_subcommand(1);

  CLI::App* list = group->add_subcommand("list", "TLS reports of a domain, newest day first");
  options->list.Add(list);
  list->footer(
      "Examples:\n  dmarcate tls list example.com --days 7\n"
      "  dmarcate tls list example.com -o jsonl");
  app->OnSelected(list, [app, options] { return List(app, *options); });

  CLI::App* summary =
      group->add_subcommand("summary", "sessions by policy and trust, day, failure and reporter");
  summary->add_option("DOMAIN", options->list.domain)->required();
  options->list.range.Add(summary);
  summary->footer(
      "Failures of a session may overlap, and a session may be under two policies: rows of one "
      "kind "
      "are not added up.\n"
      "Rows named trust split those of a policy by the class of the reports (docs/trust.md); what "
      "nobody vouches for is in none.\n"
      "Examples:\n  dmarcate tls summary example.com\n"
      "  dmarcate tls summary example.com --from 2026-06-01 --to 2026-06-30 -o json");
  app->OnSelected(summary, [app, options] { return Summary(app, *options); });

  CLI::App* get = group->add_subcommand("get", "one TLS report with its failures and repairs");
  get->add_option("REPORT", options->report, "report id or resource name")->required();
  get->add_option("--domain", options->list.domain, "domain of the report");
  get->footer("Examples:\n  dmarcate tls get 20260629-00000000000a3f01-0 --domain example.com");
  app->OnSelected(get, [app, options] {
    const std::string name = ChildResource(options->report, "tlsReports", options->list.domain);
    if (name.empty()) {
      return app->MissingDomain("tls get", options->report);
    }
    return Get(app, name);
  });
}

}  // namespace dmarcate::cli
