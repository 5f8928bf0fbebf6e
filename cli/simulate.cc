// dmarcate simulate: what the reports would have said under another policy.

#include <algorithm>
#include <map>
#include <memory>

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

const std::map<std::string, v1::PolicyKind, std::less<>> kPolicies = {
    {"none", v1::POLICY_KIND_NONE},
    {"quarantine", v1::POLICY_KIND_QUARANTINE},
    {"reject", v1::POLICY_KIND_REJECT}};

struct Options {
  std::string domain, by = "source", adkim, aspf;
  v1::PolicyKind p = v1::POLICY_KIND_UNSPECIFIED, sp = p, np = p;
  bool testing = false;
  std::vector<std::string> authorize, sign, withdraw, missing;
  int limit = 0;
  DateRangeOptions range;
};

void AddPolicy(CLI::App* command, const std::string& name, v1::PolicyKind* out,
               const std::string& what) {
  command
      ->add_option_function<std::string>(
          name,
          [name, out](const std::string& text) {
            const auto policy = kPolicies.find(AsciiLower(text));
            if (policy == kPolicies.end()) {
              throw CLI::ValidationError(name, fmt::format("'{}', want none, quarantine or reject",
                                                           EscapeForTerminal(text)));
            }
            *out = policy->second;
          },
          what)
      ->type_name("POLICY");
}

// The sentence that the question was about.
std::string Verdict(const v1::SimulatePolicyResponse& response) {
  const v1::SimulationCounts& total = response.total();
  const int64_t refused = total.quarantine_count() + total.reject_count();
  std::string out = fmt::format(
      "of {} messages {} would pass; the policy would quarantine {} and reject {}, {} of them "
      "delivered then",
      FormatCount(total.message_count()), FormatCount(total.would_pass_count()),
      FormatCount(total.quarantine_count()), FormatCount(total.reject_count()),
      FormatCount(total.newly_refused_count()));
  if (refused > 0 && total.excused_count() > 0) {
    out += fmt::format("; for {} of those refused, receivers gave a reason to deliver",
                       FormatCount(total.excused_count()));
  }
  return out;
}

void AddTreatments(const std::vector<std::string>& sources, v1::SourceTreatment::Kind kind,
                   v1::SimulatePolicyRequest* request) {
  for (const std::string& source : sources) {
    v1::SourceTreatment* treatment = request->add_treatments();
    treatment->set_source(std::string(LastSegment(source)));
    treatment->set_kind(kind);
  }
}

// A decision about a source without mail changes nothing; it may be a mistyped name.
void NoteAbsent(const App& app, const v1::SimulatePolicyRequest& request,
                const v1::SimulatePolicyResponse& response) {
  if (response.sources_left_out() > 0) return;  // not known
  for (const v1::SourceTreatment& treatment : request.treatments()) {
    const auto is_it = [&](const v1::SimulationRow& row) {
      return row.key() == treatment.source();
    };
    if (std::ranges::any_of(response.sources(), is_it)) continue;
    app.Note(
        fmt::format("no mail of {} in these days, so what is supposed of it changes nothing; "
                    "see: dmarcate sources list {}",
                    EscapeForTerminal(treatment.source()), LastSegment(request.parent())));
  }
}

int Simulate(App* app, const Options& options) {
  v1::SimulatePolicyRequest request;
  request.set_parent(DomainResource(options.domain));
  request.set_p(options.p);
  request.set_sp(options.sp);
  request.set_np(options.np);
  request.set_testing(options.testing);
  request.set_strict_dkim(options.adkim == "s");
  request.set_strict_spf(options.aspf == "s");
  AddTreatments(options.authorize, v1::SourceTreatment::KIND_SPF_AUTHORIZED, &request);
  AddTreatments(options.sign, v1::SourceTreatment::KIND_SIGNED, &request);
  AddTreatments(options.withdraw, v1::SourceTreatment::KIND_SPF_WITHDRAWN, &request);
  for (const std::string& name : options.missing) request.add_missing_names(name);
  request.set_row_limit(options.limit);
  if (const auto status = options.range.Fill(request.mutable_date_range()); !status.ok()) {
    return app->Fail("not simulated", status);
  }
  v1::SimulatePolicyResponse response;
  const auto stub = v1::StatsService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::SimulatePolicy, request, &response);
  if (!status.ok()) return app->Fail("not simulated", status);
  Print(app->format(), response, "", SimulationTable(response, options.by));
  if (response.total().message_count() == 0) app->Note(kNoReportsNote);
  app->Note(Verdict(response));
  NoteAbsent(*app, request, response);
  if (response.total().assumed_count() > 0) {
    app->Note(fmt::format("{} of the passes are assumed: receivers did not say by which domain",
                          FormatCount(response.total().assumed_count())));
  }
  const int left_out = options.by == "reporter" ? response.reporters_left_out()
                       : options.by == "source" ? response.sources_left_out()
                                                : 0;
  if (left_out > 0) app->Note(fmt::format("{} more: --limit", left_out));
  if (response.expired_message_count() > 0) {
    app->Note(fmt::format("the rows of {} messages have expired: nothing is said about them",
                          FormatCount(response.expired_message_count())));
  }
  return kDone;
}

}  // namespace

void AddSimulate(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = root->add_subcommand(
      "simulate", "what the reports would have said under another policy; changes nothing");
  command->add_option("DOMAIN", options->domain)->required();
  AddPolicy(command, "--p", &options->p, "none, quarantine or reject");
  command->get_option("--p")->required();
  AddPolicy(command, "--sp", &options->sp, "for names below the domain; default: as --p");
  AddPolicy(command, "--np", &options->np, "for names that do not exist; default: as --sp");
  command->add_option("--missing", options->missing, "names that do not exist, for --np")
      ->delimiter(',');
  command->add_flag("--testing", options->testing, "t=y: one step less is asked for");
  command->add_option("--adkim", options->adkim, "r or s; default r")
      ->check(CLI::IsMember({"r", "s"}));
  command->add_option("--aspf", options->aspf, "r or s; default r")
      ->check(CLI::IsMember({"r", "s"}));
  command->add_option("--authorize", options->authorize, "sources whose addresses SPF would cover")
      ->delimiter(',');
  command->add_option("--sign", options->sign, "sources that would sign as the domain")
      ->delimiter(',');
  command->add_option("--withdraw", options->withdraw, "sources that would leave SPF")
      ->delimiter(',');
  command->add_option("--by", options->by, "source, reporter or trust; default source")
      ->check(CLI::IsMember({"source", "reporter", "trust"}));
  command->add_option("--limit", options->limit, "at most so many rows, 1 to 1000; default 50")
      ->check(CLI::Range(1, 1000).description(""));
  options->range.Add(command);
  command->footer(
      "Examples:\n  dmarcate simulate example.com --p reject\n"
      "  dmarcate simulate example.com --p reject --sign sendgrid --days 90\n"
      "  dmarcate simulate example.com --p quarantine --adkim s --by reporter -o csv");
  app->OnSelected(command, [app, options] { return Simulate(app, *options); });
}

}  // namespace dmarcate::cli
