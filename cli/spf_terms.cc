#include "cli/spf_terms.h"

#include <memory>
#include <string>
#include <vector>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/messages.h"
#include "cli/output.h"
#include "dmarcate/v1/change.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

struct Options {
  std::string domain;
  int32_t days = 0;
};

std::string VerdictText(v1::SpfTermReview::Verdict verdict) {
  return EnumText(v1::SpfTermReview::Verdict_Name(verdict), "VERDICT_");
}

Table TermTable(const v1::ReviewSpfTermsResponse& response) {
  Table table({{"TERM"},
               {"VERDICT"},
               {"MESSAGES", Align::kRight},
               {"OTHERS", Align::kRight, /*wide_only=*/true},
               {"LOOKUPS", Align::kRight},
               {"LAST"},
               {"SOURCES", Align::kLeft, /*wide_only=*/true},
               {"WHY"}});
  for (const v1::SpfTermReview& term : response.terms()) {
    std::vector<std::string> sources(term.sources().begin(), term.sources().end());
    table.Add(
        term.term(),
        {term.term(), VerdictText(term.verdict()), CountCell(term.message_count()),
         CountCell(term.other_message_count()), CountCell(term.lookup_cost()),
         term.has_last_date() ? Text(term.last_date()) : "-", Join(sources, " "), term.reason()});
  }
  return table;
}

void Explain(const App& app, const Options& options, const v1::ReviewSpfTermsResponse& response) {
  app.Note(fmt::format(
      "{} to {}: {} passed SPF by the record; ANCHORED reports of {} on {}, {} among them",
      Text(response.date_range().first_date()), Text(response.date_range().last_date()),
      Counted(response.message_count(), "message"), Counted(response.anchor_count(), "reporter"),
      Counted(response.covered_days(), "day"), Counted(response.month_ends(), "month end")));
  for (const std::string& missing : response.missing()) {
    app.Note(fmt::format("no term is proposed: {}", EscapeForTerminal(missing)));
  }
  std::string unused;
  for (const v1::SpfTermReview& term : response.terms()) {
    if (term.verdict() != v1::SpfTermReview::VERDICT_UNUSED) continue;
    unused += fmt::format(" \"{}\"", EscapeForTerminal(term.term()));
  }
  if (unused.empty()) return;
  app.Note(fmt::format("without what is unused the record takes {} of {} look-ups",
                       response.lookup_count() - response.freed_lookup_count(),
                       response.lookup_count()));
  app.Note(
      fmt::format("next, if you know that nobody needs them: dmarcate changes plan {} --prune{}",
                  EscapeForTerminal(options.domain), unused));
}

}  // namespace

void AddSpfTerms(CLI::App* group, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* terms = group->add_subcommand(
      "terms", "what each term of the SPF record carried by the reports, and which may go");
  terms->add_option("DOMAIN", options->domain)->required();
  terms->add_option("--days", options->days, "how far back, 1 to 400; default: 100")
      ->check(CLI::Range(1, 400).description(""));
  terms->footer(
      "Examples:\n  dmarcate changes terms example.com\n"
      "  dmarcate changes terms example.com --days 365 -o json");
  app->OnSelected(terms, [app, options] {
    v1::ReviewSpfTermsRequest request;
    request.set_parent(DomainResource(options->domain));
    request.set_days(options->days);
    v1::ReviewSpfTermsResponse response;
    const auto stub = v1::ChangeService::NewStub(app->policyd());
    const grpc::Status status =
        Call(app, *stub, &v1::ChangeService::Stub::ReviewSpfTerms, request, &response);
    if (!status.ok()) return app->Fail("terms not judged", status);
    Print(app->format(), response, "terms", TermTable(response));
    if (app->format() == Format::kTable || app->format() == Format::kWide) {
      FlushOut();
      Explain(*app, *options, response);
    }
    return static_cast<int>(kDone);
  });
}

}  // namespace dmarcate::cli
