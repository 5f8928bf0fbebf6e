// dmarcate domains: put domains under management, list them, bind them to a DNS provider.

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/addresses.h"
#include "cli/app.h"
#include "cli/call.h"
#include "cli/domain_remove.h"
#include "cli/messages.h"
#include "dmarcate/v1/domain.grpc.pb.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::DomainService::Stub;

Table DomainTable(const google::protobuf::RepeatedPtrField<v1::Domain>& domains) {
  std::vector<Column> columns = {
      {"DOMAIN"}, {"PROVIDER"}, {"SOURCES", Align::kRight}, {"PENDING", Align::kRight}};
  for (Column& column : CountColumns()) columns.push_back(std::move(column));
  columns.push_back({"REPORT_MAILBOX", Align::kLeft, true});
  columns.push_back({"REPORT_ADDRESS", Align::kLeft, true});
  columns.push_back({"LAST_REPORT"});
  Table table(std::move(columns));
  for (const v1::Domain& domain : domains) {
    std::vector<Cell> cells = {
        std::string(LastSegment(domain.name())),
        domain.dns_provider().empty() ? "-" : std::string(LastSegment(domain.dns_provider())),
        std::to_string(domain.summary().source_count()),
        domain.summary().has_pending_source_count()
            ? std::to_string(domain.summary().pending_source_count())
            : "-"};
    AppendCounts(domain.summary().counts(), &cells);
    cells.push_back(domain.report_mailbox());
    cells.push_back(domain.report_address());
    cells.push_back(Text(domain.summary().last_report_date()));
    table.Add(domain.name(), std::move(cells));
  }
  return table;
}

template <typename Response>
int PrintOne(const App& app, const Response& response) {
  google::protobuf::RepeatedPtrField<v1::Domain> one;
  *one.Add() = response.domain();
  Print(app.format(), response.domain(), "", DomainTable(one));
  return kDone;
}

struct Options {
  std::string domain, provider, mailbox, delegation;
  PageOptions page;
  bool dry_run = false;
};

// What a domain that was just added lacks, or what to type next.
void NoteNext(const App& app, const v1::Domain& domain, bool dry_run) {
  FlushOut();
  if (dry_run) return app.Note("checked only; nothing was kept");
  if (app.format() != Format::kTable) return;
  const std::string_view name = LastSegment(domain.name());
  if (domain.dns_provider().empty()) {
    app.Note(fmt::format(
        "nothing is written for it yet: dmarcate domains update {} --provider NAME", name));
  }
  if (domain.report_mailbox().empty() && domain.report_address().empty()) {
    app.Note(fmt::format(
        "no plan asks for reports yet: dmarcate domains update {} --report-mailbox ADDRESS", name));
  } else if (!domain.dns_provider().empty()) {
    app.Note(fmt::format("next: dmarcate changes plan {}", name));
  }
}

std::string ProviderResource(const std::string& provider) {
  return provider.empty() || provider.starts_with("dnsProviders/") ? provider
                                                                   : "dnsProviders/" + provider;
}

}  // namespace

void AddDomains(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group = root->add_subcommand("domains", "domains under management")->alias("domain");
  group->require_subcommand(1);

  CLI::App* add = group->add_subcommand("add", "put a domain under management; changes no DNS");
  add->footer(
      "Examples:\n  dmarcate domains add example.com\n"
      "  dmarcate domains add example.com --provider main --report-mailbox r@reports.example\n"
      "  dmarcate domains add example.com --provider ours --delegate-to dmarc.operator.example");
  add->add_option("DOMAIN", options->domain)->required();
  add->add_option("--provider", options->provider, "DNS provider that may write its zone");
  add->add_option("--report-mailbox", options->mailbox, "address that changes add to rua=");
  add->add_option(
      "--delegate-to", options->delegation,
      "zone of the provider that holds its records; its own has a CNAME and an include");
  add->add_flag("--dry-run", options->dry_run, "check only");
  app->OnSelected(add, [app, options] {
    v1::CreateDomainRequest request;
    request.set_domain_id(options->domain);
    request.mutable_domain()->set_dns_provider(ProviderResource(options->provider));
    request.mutable_domain()->set_report_mailbox(options->mailbox);
    request.mutable_domain()->set_delegation_zone(options->delegation);
    request.set_validate_only(options->dry_run);
    v1::CreateDomainResponse response;
    const auto stub = v1::DomainService::NewStub(app->policyd());
    const grpc::Status status = Call(app, *stub, &Stub::CreateDomain, request, &response);
    if (!status.ok()) return app->Fail("domain not added", status);
    if (!options->dry_run) NoteUnpublished(*app, response.domain());
    const int printed = PrintOne(*app, response);
    NoteNext(*app, response.domain(), options->dry_run);
    return printed;
  });

  CLI::App* update = group
                         ->add_subcommand("update",
                                          "change the provider, the zone that holds its records or "
                                          "the report mailbox")
                         ->alias("set");
  update->add_option("DOMAIN", options->domain)->required();
  CLI::Option* provider =
      update->add_option("--provider", options->provider, "DNS provider; '' for none");
  CLI::Option* mailbox =
      update->add_option("--report-mailbox", options->mailbox, "address for rua=; '' for none");
  CLI::Option* delegation = update->add_option("--delegate-to", options->delegation,
                                               "zone that holds its records; '' for its own zone");
  update->add_flag("--dry-run", options->dry_run, "check only");
  update->footer(
      "Examples:\n  dmarcate domains update example.com --provider main\n  dmarcate domains update "
      "example.com --report-mailbox dmarc@reports.example");
  app->OnSelected(update, [app, options, provider, mailbox, delegation] {
    if (provider->count() == 0 && mailbox->count() == 0 && delegation->count() == 0) {
      return app->Fail(kUsage, "USAGE", "domains update", "nothing to change",
                       {"pass --provider NAME, --report-mailbox ADDRESS or --delegate-to ZONE"});
    }
    const auto stub = v1::DomainService::NewStub(app->policyd());
    v1::GetDomainRequest get;
    get.set_name(DomainResource(options->domain));
    v1::GetDomainResponse current;
    grpc::Status status = Call(app, *stub, &Stub::GetDomain, get, &current);
    if (!status.ok()) return app->Fail("domain not read", status);
    v1::UpdateDomainRequest request;
    *request.mutable_domain() = current.domain();
    if (provider->count() > 0) {
      request.mutable_domain()->set_dns_provider(ProviderResource(options->provider));
      request.mutable_update_mask()->add_paths("dns_provider");
    }
    if (mailbox->count() > 0) {
      request.mutable_domain()->set_report_mailbox(options->mailbox);
      request.mutable_update_mask()->add_paths("report_mailbox");
    }
    if (delegation->count() > 0) {
      request.mutable_domain()->set_delegation_zone(options->delegation);
      request.mutable_update_mask()->add_paths("delegation_zone");
    }
    request.set_validate_only(options->dry_run);
    v1::UpdateDomainResponse response;
    status = Call(app, *stub, &Stub::UpdateDomain, request, &response);
    if (!status.ok()) return app->Fail("domain not changed", status);
    return PrintOne(*app, response);
  });

  CLI::App* get = group->add_subcommand("get", "one domain");
  get->add_option("DOMAIN", options->domain)->required();
  get->footer("Examples:\n  dmarcate domains get example.com -o yaml");
  app->OnSelected(get, [app, options] {
    v1::GetDomainRequest request;
    request.set_name(DomainResource(options->domain));
    v1::GetDomainResponse response;
    const auto stub = v1::DomainService::NewStub(app->policyd());
    const grpc::Status status = Call(app, *stub, &Stub::GetDomain, request, &response);
    if (!status.ok()) return app->Fail("domain not read", status);
    return PrintOne(*app, response);
  });

  CLI::App* list = group->add_subcommand("list", "all domains");
  options->page.Add(list);
  list->footer("Examples:\n  dmarcate domains list\n  dmarcate domains list -o name");
  app->OnSelected(list, [app, options] {
    v1::ListDomainsRequest request;
    options->page.Fill(&request);
    v1::ListDomainsResponse response;
    const auto stub = v1::DomainService::NewStub(app->policyd());
    const grpc::Status status = Call(app, *stub, &Stub::ListDomains, request, &response);
    if (!status.ok()) return app->Fail("domains not listed", status);
    Print(app->format(), response, "domains", DomainTable(response.domains()));
    if (response.domains().empty() && options->page.token.empty() &&
        app->format() == Format::kTable) {
      FlushOut();
      app->Note("no domain is managed yet: dmarcate domains add DOMAIN");
    }
    NoteNextPage(*app, response);
    return static_cast<int>(kDone);
  });

  AddAddresses(group, app);
  AddDomainRemove(group, app);
}

}  // namespace dmarcate::cli
