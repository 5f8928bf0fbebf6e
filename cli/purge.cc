// dmarcate reports purge: removes what is stored about a domain or a source address.

#include "cli/purge.h"

#include <memory>
#include <string>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/call.h"
#include "cli/progress.h"
#include "dmarcate/v1/intake.grpc.pb.h"

namespace dmarcate::cli {
namespace {

constexpr absl::Duration kPurgeTimeout = absl::Minutes(10);

struct Options {
  std::string domain, address;
  bool count_only = false;
};

grpc::Status Run(App* app, v1::IntakeService::Stub& stub, const v1::PurgeReportsRequest& request,
                 v1::PurgeReportsResponse* result) {
  grpc::ClientContext context;
  app->Prepare(&context, App::Daemon::kIngestd, kPurgeTimeout);
  const auto reader = stub.PurgeReports(&context, request);
  Progress progress(request.validate_only() ? "counting" : "purging", "reports and messages", 0, 0);
  while (reader->Read(result)) {
    progress.Update(0, result->scanned_count(),
                    fmt::format("{} to go", Counted(result->report_count(), "report")));
  }
  progress.Finish();
  return WholeAnswer(reader->Finish(), *result);
}

int PrintResult(const App& app, const v1::PurgeReportsResponse& result) {
  Table table({{"REPORTS", Align::kRight},
               {"RECORDS", Align::kRight},
               {"MESSAGES", Align::kRight},
               {"RECEIPTS", Align::kRight},
               {"RAW_BYTES", Align::kRight}});
  table.Add("", {CountCell(result.report_count()), CountCell(result.record_count()),
                 CountCell(result.message_count()), CountCell(result.receipt_count()),
                 CountCell(result.raw_bytes())});
  Print(app.format(), result, "", table);
  return kDone;
}

int Purge(App* app, const Options& options) {
  if (options.domain.empty() == options.address.empty()) {
    return app->Fail(kUsage, "USAGE", "reports purge", "not exactly one thing to go was named",
                     {"dmarcate reports purge --domain DOMAIN --count",
                      "dmarcate reports purge --address ADDRESS --count"});
  }
  v1::PurgeReportsRequest request;
  if (!options.domain.empty()) {
    request.set_domain(DomainResource(options.domain));
  } else {
    request.set_source_address(options.address);
  }
  const auto stub = v1::IntakeService::NewStub(app->ingestd());
  v1::PurgeReportsResponse result;
  request.set_validate_only(true);
  if (const grpc::Status status = Run(app, *stub, request, &result); !status.ok()) {
    return app->Fail("nothing purged", status);
  }
  const std::string_view what = options.domain.empty() ? options.address : options.domain;
  const bool nothing = result.report_count() == 0 && result.receipt_count() == 0;
  if (options.count_only || nothing) {
    const int exit_code = PrintResult(*app, result);
    if (nothing) app->Note(fmt::format("nothing is stored about {}", what));
    return exit_code;
  }
  if (!app->Confirm(Confirmation::kSerious,
                    fmt::format("remove {} for good: {}, {}, {} as received?", what,
                                Counted(result.report_count(), "report"),
                                Counted(result.record_count(), "record"),
                                Counted(result.receipt_count(), "message")))) {
    return kFailed;
  }
  request.set_validate_only(false);
  result.Clear();
  if (const grpc::Status status = Run(app, *stub, request, &result); !status.ok()) {
    return app->Fail("not all was purged; the same command does the rest", status);
  }
  return PrintResult(*app, result);
}

}  // namespace

void AddPurge(CLI::App* reports, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* purge = reports->add_subcommand("purge", "remove what is stored about somebody");
  purge->add_option("--domain", options->domain, "all reports about this domain");
  purge->add_option("--address", options->address, "all rows with this source address");
  purge->add_flag("--count", options->count_only, "count what would go, and end");
  purge->footer(
      "Removes reports, daily totals and the messages as received; it cannot be undone.\n"
      "Examples:\n  dmarcate reports purge --domain example.com --count\n"
      "  dmarcate reports purge --address 192.0.2.1 --yes");
  app->OnSelected(purge, [app, options] { return Purge(app, *options); });
}

}  // namespace dmarcate::cli
