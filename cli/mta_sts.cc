#include "cli/mta_sts.h"

#include <memory>
#include <string>
#include <vector>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/messages.h"
#include "cli/mta_sts_rollout.h"
#include "dmarcate/v1/mta_sts.grpc.pb.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::MtaStsService::Stub;

// A stranger's web server may take ten seconds.
constexpr absl::Duration kLookTimeout = absl::Minutes(1);

struct Options {
  std::string domain, mode = "testing";
  std::vector<std::string> mx;
  int64_t max_age = 0;

  void AddPolicy(CLI::App* command) {
    command->add_option("DOMAIN", domain)->required();
    command->add_option("--mode", mode, "testing (default), enforce or none")
        ->check(CLI::IsMember({"testing", "enforce", "none"}).description(""));
    command->add_option("--mx", mx,
                        "a server that senders may deliver to, *.example.com for each name below; "
                        "several times; default: the hosts of the live MX records");
    command
        ->add_option("--max-age", max_age,
                     "seconds that senders keep it; default: a day, 30 days for enforce")
        ->check(CLI::Range(86400, 31557600).description(""));
  }
};

v1::MtaStsPolicy PolicyOf(const Options& options) {
  v1::MtaStsPolicy policy;
  policy.set_mode(options.mode == "enforce" ? v1::MtaStsPolicy::MODE_ENFORCE
                  : options.mode == "none"  ? v1::MtaStsPolicy::MODE_NONE
                                            : v1::MtaStsPolicy::MODE_TESTING);
  for (const std::string& pattern : options.mx) policy.add_mx(pattern);
  policy.set_max_age_seconds(options.max_age);
  return policy;
}

grpc::Status Get(App* app, Stub& stub, const Options& options,
                 v1::GetMtaStsPolicyResponse* response) {
  v1::GetMtaStsPolicyRequest request;
  request.set_parent(DomainResource(options.domain));
  *request.mutable_policy() = PolicyOf(options);
  return Call(app, stub, &Stub::GetMtaStsPolicy, request, response, App::Daemon::kPolicyd,
              kLookTimeout);
}

void Tell(const App& app, const v1::GetMtaStsPolicyResponse& response) {
  app.Note(fmt::format("1. serve these bytes at {}: {}", response.url(),
                       response.served() ? "they are there" : response.served_difference()));
  app.Note(fmt::format("2. then its record, at {}: {} (live: {})", response.record_name(),
                       response.record(), response.live_record()));
  for (const std::string& host : response.unmatched_mx_hosts()) {
    app.Note(fmt::format("the MX records lead to {}, which the file does not name", host));
  }
  if (!response.mx_error().empty()) {
    app.Note(fmt::format("the MX records could not be read: {}", response.mx_error()));
  }
  if (response.announced()) {
    app.Note(response.served() ? "both are live: nothing is to do"
                               : "the record is live, and its file is not: serve it");
  }
}

int ShowPolicy(App* app, const Options& options) {
  const auto stub = v1::MtaStsService::NewStub(app->policyd());
  v1::GetMtaStsPolicyResponse response;
  const grpc::Status status = Get(app, *stub, options, &response);
  if (!status.ok()) return app->Fail("policy not made", status);
  if (app->format() != Format::kTable) {
    Table table({{"RECORD NAME"}, {"RECORD"}, {"URL"}, {"FILE"}, {"SERVED"}, {"ANNOUNCED"}});
    table.Add(response.record_name(),
              {response.record_name(), response.record(), response.url(), response.file(),
               response.served() ? "yes" : "no", response.announced() ? "yes" : "no"});
    Print(app->format(), response, "", table);
    return kDone;
  }
  WriteOut(response.file());
  Tell(*app, response);
  return kDone;
}

}  // namespace

void AddMtaSts(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group = root->add_subcommand("mta-sts", "the policy by which senders insist on TLS");
  group->require_subcommand(1);

  CLI::App* policy =
      group->add_subcommand("policy", "the policy file, for whoever hosts it, and its record");
  options->AddPolicy(policy);
  policy->footer(
      "The file goes to standard output, byte for byte; the rest to standard error.\n\n"
      "Examples:\n"
      "  dmarcate mta-sts policy example.com > mta-sts.txt\n"
      "  dmarcate mta-sts policy example.com --mode enforce --mx mx1.example.com --mx "
      "'*.example.net'\n"
      "  dmarcate mta-sts policy example.com -o json");
  app->OnSelected(policy, [app, options] { return ShowPolicy(app, *options); });
  AddMtaStsRollout(group, app);
}

}  // namespace dmarcate::cli
