// dmarcate server: the daemons themselves.

#include "cli/server.h"

#include <memory>
#include <string>
#include <utility>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/call.h"
#include "cli/messages.h"
#include "cli/progress.h"
#include "dmarcate/v1/intake.grpc.pb.h"

namespace dmarcate::cli {
namespace {

constexpr absl::Duration kVerifyTimeout = absl::Minutes(10);

struct Options {
  std::string domain;
  bool verify = false;
};

int Verify(App* app, const Options& options) {
  v1::VerifyTotalsRequest request;
  request.set_parent(options.domain.empty() ? "domains/-" : DomainResource(options.domain));
  const auto stub = v1::IntakeService::NewStub(app->ingestd());
  grpc::ClientContext context;
  app->Prepare(&context, App::Daemon::kIngestd, kVerifyTimeout);
  const auto reader = stub->VerifyTotals(&context, request);
  v1::VerifyTotalsResponse result, response;
  Progress progress("recounting", "days", 0, 0);
  while (reader->Read(&response)) {
    auto differences = std::move(*result.mutable_differences());
    differences.MergeFrom(response.differences());
    result = response;
    *result.mutable_differences() = std::move(differences);
    progress.Update(0, response.day_count(), fmt::format("{} reports", response.report_count()));
  }
  progress.Finish();
  if (const grpc::Status status = WholeAnswer(reader->Finish(), result); !status.ok()) {
    return app->Fail("not all was recounted", status);
  }
  Table table(
      {{"DOMAIN"}, {"DAY"}, {"FIELD"}, {"TOTAL", Align::kRight}, {"RECOUNT", Align::kRight}});
  for (const v1::TotalsDifference& difference : result.differences()) {
    table.Add(
        difference.domain(),
        {std::string(LastSegment(difference.domain())), Text(difference.date()), difference.field(),
         std::to_string(difference.total()), std::to_string(difference.recount())});
  }
  if (!table.empty() || app->format() != Format::kTable) {
    Print(app->format(), result, "differences", table);
  }
  app->Note(fmt::format("{}, {}, {}", Counted(result.day_count(), "day"),
                        Counted(result.report_count(), "report"),
                        Counted(result.difference_count(), "difference")));
  if (result.day_count() == 0 && !options.domain.empty()) {
    return app->Fail(kNotFound, "RESOURCE_NOT_FOUND", "nothing to recount",
                     fmt::format("{}: no report that counts is stored about it", options.domain),
                     {"recount all domains: dmarcate server recount --verify"});
  }
  return result.difference_count() > 0 ? kDifferences : kDone;
}

}  // namespace

void AddServer(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group = root->add_subcommand("server", "the daemons and their stores");
  group->require_subcommand(1);
  CLI::App* recount = group->add_subcommand("recount", "the daily totals against the stored rows");
  recount->add_option("DOMAIN", options->domain, "only this one; default: all");
  recount->add_flag("--verify", options->verify, "compare, and change nothing")->required();
  recount->footer(
      "Exit code 3 if a number differs.\nExamples:\n  dmarcate server recount --verify\n  dmarcate "
      "server recount --verify example.com -o json");
  app->OnSelected(recount, [app, options] { return Verify(app, *options); });
}

}  // namespace dmarcate::cli
