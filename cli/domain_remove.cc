// dmarcate domains remove: shows what would stay in the DNS and what would go, asks, and removes.

#include "cli/domain_remove.h"

#include <memory>
#include <string>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/call.h"
#include "cli/removal_text.h"
#include "dmarcate/v1/domain.grpc.pb.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::DomainService::Stub;

struct Options {
  std::string domain, confirm;
  bool dry_run = false;
};

int Remove(App* app, const Options& options) {
  constexpr std::string_view kFailure = "domain not removed";
  const auto stub = v1::DomainService::NewStub(app->policyd());
  v1::GetDomainRequest get;
  get.set_name(DomainResource(options.domain));
  v1::GetDomainResponse current;
  grpc::Status status = Call(app, *stub, &Stub::GetDomain, get, &current);
  if (!status.ok()) return app->Fail(kFailure, status);
  v1::DeleteDomainRequest request;
  request.set_name(current.domain().name());
  request.set_etag(current.domain().etag());
  request.set_validate_only(true);
  v1::DeleteDomainResponse response;
  status = Call(app, *stub, &Stub::DeleteDomain, request, &response);
  if (!status.ok()) return app->Fail(kFailure, status);
  const std::string_view name = LastSegment(current.domain().name());
  if (options.dry_run) {
    Print(app->format(), response, "left_behind", LeftBehindTable(response.left_behind()));
    FlushOut();
    if (app->format() == Format::kTable) WriteErr(RemovalText(response));
    app->Note("checked only; nothing was removed");
    return kDone;
  }
  WriteErr(RemovalText(response));
  if (!app->ConfirmName(fmt::format("end the management of {} for good?", name), name,
                        options.confirm)) {
    return kFailed;
  }
  // What was shown was said yes to. Where nothing was, nothing may have come since.
  if (!response.left_behind().empty()) {
    request.set_record_policy(v1::DeleteDomainRequest::RECORD_POLICY_LEAVE);
  }
  request.set_validate_only(false);
  response.Clear();
  status = Call(app, *stub, &Stub::DeleteDomain, request, &response);
  if (!status.ok()) return app->Fail(kFailure, status);
  Print(app->format(), response, "left_behind", LeftBehindTable(response.left_behind()));
  FlushOut();
  if (app->format() == Format::kTable) {
    app->Note(
        fmt::format("{} is not managed any more; its reports are kept: dmarcate reports "
                    "purge --domain {} removes them",
                    name, name));
  }
  return kDone;
}

}  // namespace

void AddDomainRemove(CLI::App* domains, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* remove =
      domains->add_subcommand("remove", "end the management of a domain; changes no DNS");
  remove->add_option("DOMAIN", options->domain)->required();
  remove->add_option("--confirm", options->confirm,
                     "the domain once more, where nobody can be asked");
  remove->add_flag("--dry-run", options->dry_run, "only what would go and what would stay");
  remove->footer(
      "Its decisions, insights, history of records and report addresses go for good; what Dmarcate "
      "wrote\nstays in the DNS, and reports and past changes stay here. Refused while a change, a "
      "fleet change or a\nrollout has not ended.\n"
      "Examples:\n  dmarcate domains remove example.com --dry-run\n"
      "  dmarcate domains remove example.com --confirm example.com");
  app->OnSelected(remove, [app, options] { return Remove(app, *options); });
}

}  // namespace dmarcate::cli
