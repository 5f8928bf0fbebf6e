// dmarcate reports: hand reports in, look at what is stored, fetch the bytes as received.

#include <functional>
#include <map>
#include <string_view>

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

const std::map<std::string, std::string_view, std::less<>> kCollections = {
    {"aggregate", "aggregateReports"}, {"failure", "failureReports"}, {"tls", "tlsReports"}};

struct Options {
  std::string report, kind = "aggregate";
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
    WriteOut(ReportText(report));
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
  bool written = true;
  while (written && reader->Read(&response)) written = WriteOut(response.chunk());
  if (!written) context.TryCancel();  // the rest goes nowhere
  const grpc::Status status = reader->Finish();
  if (!written) return kFailed;  // told when the command ends
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
  CLI::App* get = group->add_subcommand("get", "one report with its records and repairs");
  one(get);
  get->footer("Examples:\n  dmarcate reports get 20260629-00000000000a3f01-0 --domain example.com");
  app->OnSelected(get, [app, options] {
    const std::string name =
        ChildResource(options->report, "aggregateReports", options->list.domain);
    return name.empty() ? app->MissingDomain("reports get", options->report) : Get(app, name);
  });
  CLI::App* raw =
      group->add_subcommand("raw", "the bytes that a report came in, to standard output");
  one(raw);
  raw->add_option("--kind", options->kind, "of a short id: aggregate (the default), failure or tls")
      ->type_name("KIND")
      ->check([](const std::string& kind) {
        return kCollections.contains(kind) ? std::string() : "want aggregate, failure or tls";
      });
  raw->footer(
      "Reports of every kind; of a mail all of it. Failure reports lost the persons in them before "
      "they were stored, unless\ningestd's failure_reports.redact is false.\n"
      "Examples:\n  dmarcate reports raw 20260629-00000000000a3f01-0 --domain example.com > "
      "report.eml\n"
      "  dmarcate reports raw domains/example.com/failureReports/20260629-00000000000a3f02-0");
  app->OnSelected(raw, [app, options] {
    const std::string name =
        ChildResource(options->report, kCollections.at(options->kind), options->list.domain);
    return name.empty() ? app->MissingDomain("reports raw", options->report) : Raw(app, name);
  });

  AddFailures(group, app);
  AddReporters(group, app);
  AddQuarantine(group, app);
  AddPurge(group, app);
}

}  // namespace dmarcate::cli
