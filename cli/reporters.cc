// dmarcate reports reporters: the ledger of reporters, and one of them in full.

#include "cli/reporters.h"

#include <memory>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/messages.h"
#include "cli/reporter_text.h"
#include "dmarcate/v1/report.grpc.pb.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::ReportService::Stub;

constexpr std::string_view kCollection = "reporters/";

struct Options {
  std::string reporter, domain;
  PageOptions page;
  DateRangeOptions range;
  bool calendar = false;
};

// What both requests have. kInvalidArgument on a text that is no day.
template <typename Request>
absl::Status Fill(const Options& options, Request* request) {
  if (!options.domain.empty()) request->set_domain(DomainResource(options.domain));
  return options.range.Fill(request->mutable_date_range());
}

int List(App* app, const Options& options) {
  v1::ListReportersRequest request;
  options.page.Fill(&request);
  request.set_with_calendar(options.calendar);
  if (const auto status = Fill(options, &request); !status.ok()) {
    return app->Fail("reporters not listed", status);
  }
  v1::ListReportersResponse response;
  const auto stub = v1::ReportService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::ListReporters, request, &response);
  if (!status.ok()) return app->Fail("reporters not listed", status);
  if (!options.calendar) {
    Print(app->format(), response, "reporters", ReporterTable(response.reporters()));
  } else if (app->format() == Format::kTable || app->format() == Format::kWide) {
    WriteOut(CalendarText(response.reporters(), response.date_range()));
  } else {
    Print(app->format(), response, "reporters",
          CalendarTable(response.reporters(), response.date_range()));
  }
  if (response.other_report_count() > 0 || response.other_uncounted_report_count() > 0) {
    app->Note(
        fmt::format("too many reporters to tell apart: {} reports of others, and {} that do "
                    "not count",
                    response.other_report_count(), response.other_uncounted_report_count()));
  }
  NoteNextPage(*app, response);
  return kDone;
}

int Get(App* app, const Options& options) {
  v1::GetReporterRequest request;
  request.set_name(options.reporter.starts_with(kCollection)
                       ? options.reporter
                       : fmt::format("{}{}", kCollection, options.reporter));
  if (const auto status = Fill(options, &request); !status.ok()) {
    return app->Fail("reporter not read", status);
  }
  v1::GetReporterResponse response;
  const auto stub = v1::ReportService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::GetReporter, request, &response);
  if (!status.ok()) return app->Fail("reporter not read", status);
  google::protobuf::RepeatedPtrField<v1::Reporter> one;
  *one.Add() = response.reporter();
  if (app->format() == Format::kTable) {
    WriteOut(ReporterText(response.reporter()));
    if (response.reporter().day_report_counts_size() > 0) {
      WriteOut("\n" + CalendarText(one, response.date_range()));
    }
    return kDone;
  }
  Print(app->format(), response.reporter(), "",
        options.calendar ? CalendarTable(one, response.date_range()) : ReporterTable(one));
  return kDone;
}

}  // namespace

void AddReporters(CLI::App* reports, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = reports->add_subcommand(
      "reporters", "who reports, how they keep to the format, and whether they still do");
  command->add_option("REPORTER", options->reporter, "one of them in full, as listed");
  command->add_option("--domain", options->domain, "reports about this domain only");
  command->add_flag("--calendar", options->calendar,
                    "each day with how many reports came: 1 to 9, + for more, a dot for none");
  options->page.Add(command);
  options->range.Add(command);
  command->footer(
      "REPAIRED and MATERIAL are reports that were not as the format asks; DIFFER is the share of\n"
      "records whose evaluation does not follow from their own results; DELAY is from the end of\n"
      "the period to receipt.\n"
      "Examples:\n  dmarcate reports reporters --days 90\n"
      "  dmarcate reports reporters google.com\n"
      "  dmarcate reports reporters --domain example.com --calendar --days 60\n"
      "  dmarcate reports reporters -o csv");
  app->OnSelected(command, [app, options] {
    return options->reporter.empty() ? List(app, *options) : Get(app, *options);
  });
}

}  // namespace dmarcate::cli
