#include "cli/addresses.h"

#include <memory>
#include <string>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/call.h"
#include "cli/messages.h"
#include "dmarcate/v1/domain.grpc.pb.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::DomainService::Stub;

struct Options {
  std::string domain, address;
  bool dry_run = false;
};

}  // namespace

void NoteUnpublished(const App& app, const v1::Domain& domain) {
  for (const v1::ReportAddress& address : domain.report_addresses()) {
    if (address.published()) continue;
    app.Note(
        fmt::format("{} is not written down for ingestd: policyd's log says why "
                    "(snapshot_unpublished), or snapshot.file is not set",
                    address.address()));
    break;
  }
}

namespace {

int PrintAddresses(const App& app, const v1::Domain& domain, bool dry_run = false) {
  Table table({{"ADDRESS"}, {"STATE"}, {"PUBLISHED"}, {"MADE"}, {"REVOKED"}});
  for (const v1::ReportAddress& address : domain.report_addresses()) {
    table.Add(address.address(),
              {address.address(), address.has_revoke_time() ? "revoked" : "takes reports",
               address.published() ? "yes" : "no", Text(address.create_time()),
               Text(address.revoke_time())});
  }
  Print(app.format(), domain, "report_addresses", table);
  if (!dry_run) NoteUnpublished(app, domain);
  return kDone;
}

grpc::Status Read(App* app, Stub& stub, const std::string& domain, v1::Domain* out) {
  v1::GetDomainRequest request;
  request.set_name(DomainResource(domain));
  v1::GetDomainResponse response;
  const grpc::Status status = Call(app, stub, &Stub::GetDomain, request, &response);
  if (status.ok()) *out = response.domain();
  return status;
}

int List(App* app, const Options& options) {
  const auto stub = v1::DomainService::NewStub(app->policyd());
  v1::Domain domain;
  const grpc::Status status = Read(app, *stub, options.domain, &domain);
  if (!status.ok()) return app->Fail("domain not read", status);
  return PrintAddresses(*app, domain);
}

int Rotate(App* app, const Options& options) {
  const auto stub = v1::DomainService::NewStub(app->policyd());
  v1::Domain domain;
  grpc::Status status = Read(app, *stub, options.domain, &domain);
  if (!status.ok()) return app->Fail("domain not read", status);
  v1::RotateReportAddressRequest request;
  request.set_name(domain.name());
  request.set_etag(domain.etag());
  request.set_validate_only(options.dry_run);
  v1::RotateReportAddressResponse response;
  status = Call(app, *stub, &Stub::RotateReportAddress, request, &response);
  if (!status.ok()) return app->Fail("no report address made", status);
  return PrintAddresses(*app, response.domain(), options.dry_run);
}

int Revoke(App* app, const Options& options) {
  const auto stub = v1::DomainService::NewStub(app->policyd());
  v1::Domain domain;
  grpc::Status status = Read(app, *stub, options.domain, &domain);
  if (!status.ok()) return app->Fail("domain not read", status);
  v1::RevokeReportAddressRequest request;
  request.set_name(domain.name());
  request.set_address(options.address);
  request.set_etag(domain.etag());
  request.set_validate_only(options.dry_run);
  v1::RevokeReportAddressResponse response;
  status = Call(app, *stub, &Stub::RevokeReportAddress, request, &response);
  if (!status.ok()) return app->Fail("report address not revoked", status);
  return PrintAddresses(*app, response.domain(), options.dry_run);
}

}  // namespace

void AddAddresses(CLI::App* domains, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group = domains->add_subcommand("address", "where the reports about a domain arrive")
                        ->alias("addresses");
  group->require_subcommand(1);

  CLI::App* list = group->add_subcommand("list", "the report addresses of a domain, newest first");
  list->add_option("DOMAIN", options->domain)->required();
  list->footer(
      "Examples:\n  dmarcate domains address list example.com\n"
      "  dmarcate domains address list example.com -o json");
  app->OnSelected(list, [app, options] { return List(app, *options); });

  CLI::App* rotate = group->add_subcommand(
      "rotate", "make a new report address; those before it take reports until they are revoked");
  rotate->add_option("DOMAIN", options->domain)->required();
  rotate->add_flag("--dry-run", options->dry_run, "check only");
  rotate->footer(
      "Then `dmarcate changes plan DOMAIN` adds it to rua=.\n"
      "Examples:\n  dmarcate domains address rotate example.com");
  app->OnSelected(rotate, [app, options] { return Rotate(app, *options); });

  CLI::App* revoke = group->add_subcommand("revoke", "refuse mail to a report address from now on");
  revoke->add_option("DOMAIN", options->domain)->required();
  revoke->add_option("ADDRESS", options->address)->required();
  revoke->add_flag("--dry-run", options->dry_run, "check only");
  revoke->footer(
      "Take it out of rua= first, and wait for the TTL of that record and a day: reports to it "
      "are lost.\n"
      "Examples:\n"
      "  dmarcate domains address revoke example.com r-0123456789abcdef@reports.example");
  app->OnSelected(revoke, [app, options] { return Revoke(app, *options); });
}

}  // namespace dmarcate::cli
