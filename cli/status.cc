// dmarcate status: where a domain stands, on one screen.

#include <memory>
#include <string>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/status_text.h"
#include "dmarcate/v1/status.grpc.pb.h"

namespace dmarcate::cli {
namespace {

struct Options {
  std::string domain;
  bool brief = false, exit_code = false;
};

int Show(App* app, const Options& options) {
  v1::GetDomainStatusRequest request;
  request.set_name(DomainResource(options.domain));
  request.set_view(options.brief ? v1::GetDomainStatusRequest::VIEW_BASIC
                                 : v1::GetDomainStatusRequest::VIEW_FULL);
  v1::GetDomainStatusResponse response;
  const auto stub = v1::StatusService::NewStub(app->policyd());
  const grpc::Status called =
      Call(app, *stub, &v1::StatusService::Stub::GetDomainStatus, request, &response);
  if (!called.ok()) return app->Fail("status not read", called);
  const v1::DomainStatus& status = response.status();
  if (app->format() == Format::kTable) {
    WriteOut(StatusText(status));
  } else {
    Print(app->format(), status, "", StatusTable(status));
  }
  if (!options.exit_code) return kDone;
  if (status.standing() == v1::DomainStatus::STANDING_TROUBLE) return kDifferences;
  return status.standing() == v1::DomainStatus::STANDING_UNKNOWN ? kUnavailable : kDone;
}

}  // namespace

void AddStatus(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = root->add_subcommand(
      "status", "where a domain stands, on one screen, and the one command to type next");
  command->add_option("DOMAIN", options->domain)->required();
  command->add_flag("--brief", options->brief, "without mail and sources: reads no reports");
  command->add_flag("--exit-code", options->exit_code,
                    "end with 3 if the domain is in trouble, with 8 if that is not known");
  command->footer(
      "Examples:\n  dmarcate status example.com\n"
      "  dmarcate status example.com --brief --exit-code -o json");
  app->OnSelected(command, [app, options] { return Show(app, *options); });
}

}  // namespace dmarcate::cli
