// dmarcate stats timeline, breakdown: counts by day, or by one dimension.

#include <functional>
#include <map>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/messages.h"
#include "cli/stats_text.h"
#include "dmarcate/v1/stats.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::StatsService::Stub;

constexpr char kDimensionNames[] = "source, address, reporter, header-from, disposition or trust";
const std::map<std::string, v1::BreakdownDimension, std::less<>> kDimensions = {
    {"source", v1::BREAKDOWN_DIMENSION_SOURCE},
    {"address", v1::BREAKDOWN_DIMENSION_ADDRESS},
    {"reporter", v1::BREAKDOWN_DIMENSION_REPORTER},
    {"header-from", v1::BREAKDOWN_DIMENSION_HEADER_FROM},
    {"disposition", v1::BREAKDOWN_DIMENSION_DISPOSITION},
    {"trust", v1::BREAKDOWN_DIMENSION_TRUST}};

struct Options {
  std::string domain, source;
  v1::BreakdownDimension dimension = v1::BREAKDOWN_DIMENSION_UNSPECIFIED;
  PageOptions page;
  DateRangeOptions range;
};

// What the rows of the table cannot say any more.
void NoteExpired(const App& app, int64_t messages, std::string_view what_it_means) {
  if (messages == 0) return;
  app.Note(fmt::format("the rows of {} messages have expired: {}", messages, what_it_means));
}

int Breakdown(App* app, const Options& options) {
  v1::QueryBreakdownRequest request;
  request.set_parent(DomainResource(options.domain));
  request.set_dimension(options.dimension);
  options.page.Fill(&request);
  if (const auto status = options.range.Fill(request.mutable_date_range()); !status.ok()) {
    return app->Fail("no statistics", status);
  }
  v1::QueryBreakdownResponse response;
  const auto stub = v1::StatsService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::QueryBreakdown, request, &response);
  if (!status.ok()) return app->Fail("no statistics", status);
  Print(app->format(), response, "rows", BreakdownTable(response));
  if (response.total().message_count() == 0) app->Note(kNoReportsNote);
  NoteExpired(*app, response.expired_message_count(), "they are not in this table");
  NoteNextPage(*app, response);
  return kDone;
}

int TimeSeries(App* app, const Options& options) {
  v1::QueryTimeSeriesRequest request;
  request.set_parent(options.source.empty()
                         ? DomainResource(options.domain)
                         : ChildResource(options.source, "sources", options.domain));
  if (const auto status = options.range.Fill(request.mutable_date_range()); !status.ok()) {
    return app->Fail("no statistics", status);
  }
  v1::QueryTimeSeriesResponse response;
  const auto stub = v1::StatsService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::QueryTimeSeries, request, &response);
  if (!status.ok()) return app->Fail("no statistics", status);
  Print(app->format(), response, "points", TimeSeriesTable(response));
  if (response.total().message_count() == 0) app->Note(kNoReportsNote);
  NoteExpired(*app, response.expired_message_count(),
              options.source.empty() ? "of these only the aligned DKIM and SPF passes are known"
                                     : "whose they were is not known any more");
  return kDone;
}

}  // namespace

void AddStats(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group = root->add_subcommand("stats", "counts of messages");
  group->require_subcommand(1);

  CLI::App* timeline =
      group->add_subcommand("timeline", "messages by UTC day, of a domain or of a source");
  timeline->add_option("DOMAIN", options->domain)->required();
  timeline->add_option("--source", options->source, "only this source");
  options->range.Add(timeline);
  timeline->footer(
      "Examples:\n  dmarcate stats timeline example.com --days 7\n"
      "  dmarcate stats timeline example.com --source sendgrid -o csv");
  app->OnSelected(timeline, [app, options] { return TimeSeries(app, *options); });

  CLI::App* breakdown =
      group->add_subcommand("breakdown", "messages of a domain by one dimension, largest first");
  breakdown->add_option("DOMAIN", options->domain)->required();
  breakdown
      ->add_option_function<std::string>(
          "--by",
          [options](const std::string& name) {
            const auto dimension = kDimensions.find(AsciiLower(name));
            if (dimension == kDimensions.end()) {
              throw CLI::ValidationError(
                  "--by", fmt::format("'{}', want {}", EscapeForTerminal(name), kDimensionNames));
            }
            options->dimension = dimension->second;
          },
          kDimensionNames)
      ->type_name("DIMENSION")
      ->required();
  options->page.Add(breakdown);
  options->range.Add(breakdown);
  breakdown->footer(
      "Examples:\n  dmarcate stats breakdown example.com --by source\n"
      "  dmarcate stats breakdown example.com --by reporter --days 7 -o csv");
  app->OnSelected(breakdown, [app, options] { return Breakdown(app, *options); });
}

}  // namespace dmarcate::cli
