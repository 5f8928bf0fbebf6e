// dmarcate reports: hand reports in, look at what is stored, fetch the bytes as received.

#include <cstdio>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/failures.h"
#include "cli/import.h"
#include "cli/messages.h"
#include "cli/purge.h"
#include "cli/quarantine.h"
#include "cli/report_list.h"
#include "cli/report_text.h"
#include "cli/reporters.h"
#include "dmarcate/v1/report.grpc.pb.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::ReportService::Stub;

struct Options {
  std::string report;
  std::vector<std::string> paths;
  ReportListOptions list;
};

int Get(App* app, const std::string& name) {
  const auto stub = v1::ReportService::NewStub(app->policyd());
  v1::GetAggregateReportRequest request;
  request.set_name(name);
  v1::AggregateReport report;
  do {  // records come in pages
    v1::GetAggregateReportResponse response;
    const grpc::Status status = Call(app, *stub, &Stub::GetAggregateReport, request, &response);
    if (!status.ok()) return app->Fail("report not read", status);
    if (report.name().empty()) {
      report = response.aggregate_report();
    } else {
      report.mutable_records()->MergeFrom(response.aggregate_report().records());
    }
    request.set_record_page_token(response.next_record_page_token());
  } while (!request.record_page_token().empty());
  if (app->format() == Format::kTable) {
    fmt::print("{}", ReportText(report));
  } else {
    Print(app->format(), report, "", RecordTable(report));
  }
  return kDone;
}

int Raw(App* app, const std::string& name) {
  const auto stub = v1::ReportService::NewStub(app->policyd());
  v1::DownloadReportRequest request;
  request.set_name(name);
  grpc::ClientContext context;
  app->Prepare(&context, App::Daemon::kPolicyd, absl::Minutes(2));
  const auto reader = stub->DownloadReport(&context, request);
  v1::DownloadReportResponse response;
  while (reader->Read(&response)) {
    std::fwrite(response.chunk().data(), 1, response.chunk().size(), stdout);
  }
  const grpc::Status status = reader->Finish();
  return status.ok() ? static_cast<int>(kDone) : app->Fail("report not read", status);
}

}  // namespace

void AddReports(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group =
      root->add_subcommand("reports", "reports as received and as read")->alias("report");
  group->require_subcommand(1);

  CLI::App* import =
      group->add_subcommand("import", "hand in files and folders: mail, archives, XML");
  import->add_option("PATH", options->paths, "files, folders or Maildirs; - for standard input")
      ->required();
  import->footer(
      "Maildirs, mbox, tar (gzip, bzip2, xz, zstd) and zip of many are split; all else is sent as "
      "it is.\n"
      "Running it again goes on where it ended and adds nothing twice.\n"
      "Examples:\n  dmarcate reports import ~/Maildir/.dmarc old-reports.tar.gz\n"
      "  ssh mail.example.com tar cz Maildir/.dmarc | dmarcate reports import -");
  app->OnSelected(import, [app, options] { return ImportReports(app, options->paths); });

  CLI::App* list = group->add_subcommand("list", "stored reports of a domain, newest day first");
  options->list.Add(list);
  list->footer(
      "Examples:\n  dmarcate reports list example.com --days 7\n  dmarcate reports list "
      "example.com -o jsonl");
  app->OnSelected(list, [app, options] {
    v1::ListAggregateReportsRequest request;
    if (const auto status = options->list.Fill(&request); !status.ok()) {
      return app->Fail("reports not listed", status);
    }
    v1::ListAggregateReportsResponse response;
    const auto stub = v1::ReportService::NewStub(app->policyd());
    const grpc::Status status = Call(app, *stub, &Stub::ListAggregateReports, request, &response);
    if (!status.ok()) return app->Fail("reports not listed", status);
    Print(app->format(), response, "aggregate_reports", ReportTable(response.aggregate_reports()));
    NoteNextPage(*app, response);
    return static_cast<int>(kDone);
  });

  const auto one = [&options](CLI::App* command) {
    command->add_option("REPORT", options->report, "report id or resource name")->required();
    command->add_option("--domain", options->list.domain, "domain of the report");
  };
  const auto selected = [app, options](int (*run)(App*, const std::string&)) {
    return [app, options, run] {
      const std::string name =
          ChildResource(options->report, "aggregateReports", options->list.domain);
      if (name.empty()) {
        return app->Fail(kUsage, "", "which domain?", "a short report id needs --domain");
      }
      return run(app, name);
    };
  };
  CLI::App* get = group->add_subcommand("get", "one report with its records and repairs");
  one(get);
  get->footer("Examples:\n  dmarcate reports get 20260629-00000000000a3f01-0 --domain example.com");
  app->OnSelected(get, selected(&Get));
  CLI::App* raw = group->add_subcommand("raw", "the bytes as received, to standard output");
  one(raw);
  raw->footer(
      "Examples:\n  dmarcate reports raw 20260629-00000000000a3f01-0 --domain example.com > "
      "report.eml");
  app->OnSelected(raw, selected(&Raw));

  AddFailures(group, app);
  AddReporters(group, app);
  AddQuarantine(group, app);
  AddPurge(group, app);
}

}  // namespace dmarcate::cli
