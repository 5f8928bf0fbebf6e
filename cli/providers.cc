// dmarcate providers: accounts at DNS hosts.

#include <utility>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/messages.h"
#include "cli/provider_change.h"
#include "cli/provider_flags.h"
#include "cli/provider_text.h"
#include "dmarcate/v1/provider.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::ProviderService::Stub;

struct Options {
  std::string name, type;
  ProviderFlags config;
  bool dry_run = false;
  PageOptions page;
};

int Test(App* app, const Options& options) {
  v1::TestDnsProviderRequest request;
  request.set_name(options.name.starts_with("dnsProviders/") ? options.name
                                                             : "dnsProviders/" + options.name);
  const auto stub = v1::ProviderService::NewStub(app->policyd());
  grpc::ClientContext context;
  app->Prepare(&context, App::Daemon::kPolicyd, kCallTimeout);
  const auto reader = stub->TestDnsProvider(&context, request);
  v1::TestDnsProviderResponse event, last;
  while (reader->Read(&event)) {
    if (event.has_result()) {
      last = event;
    } else {
      app->Note(event.progress());
    }
  }
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return app->Fail("provider not tested", status);
  const v1::DnsProviderTestResult& result = last.result();
  Table table({{"STATE"}, {"CLASS"}, {"ZONES"}, {"MESSAGE"}});
  table.Add(request.name(),
            {EnumText(v1::DnsProviderTestResult::State_Name(result.state()), "STATE_"),
             ClassText(result.provider_class()),
             Join({result.zones().begin(), result.zones().end()}, " "), result.message()});
  Print(app->format(), result, "", table);
  if (app->format() == Format::kTable) {
    for (const std::string& warning : result.warnings()) app->Note("warning: " + warning);
  }
  switch (result.state()) {
    case v1::DnsProviderTestResult::STATE_WORKING:
      return kDone;
    case v1::DnsProviderTestResult::STATE_CREDENTIAL_REFUSED:
      return kNotAllowed;
    case v1::DnsProviderTestResult::STATE_UNREACHABLE:
      return kUnavailable;
    default:
      return kRefused;
  }
}

}  // namespace

void AddProviders(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group = root->add_subcommand("providers", "accounts at DNS hosts")->alias("provider");
  group->require_subcommand(1);

  CLI::App* add =
      group->add_subcommand("add", "register an account; the secret stays in a file on the server");
  add->add_option("NAME", options->name, "1 to 63 of a-z, 0-9, -")->required();
  add->add_option("--type", options->type,
                  "powerdns, rfc2136, the host (cloudflare, route53, ...), exec or manual "
                  "(docs/providers.md)")
      ->required();
  options->config.Add(add);
  add->add_flag("--dry-run", options->dry_run, "check only");
  add->footer(
      "Examples:\n"
      "  dmarcate providers add main --type powerdns --api-url http://127.0.0.1:8081 --secret "
      "pdns-key\n"
      "  dmarcate providers add bind --type rfc2136 --address 192.0.2.53:53 --zone example.com \\\n"
      "      --key-name dmarcate. --secret tsig-key\n"
      "  dmarcate providers add cf --type cloudflare --secret cloudflare-token\n"
      "  dmarcate providers add gcp --type googleclouddns --set project=mail-dns --secret "
      "gcp.json\n"
      "  dmarcate providers add knot --type exec --program knot --class A --secret knot-tsig\n"
      "  dmarcate providers add by-hand --type manual");
  app->OnSelected(add, [app, options, add] {
    if (const std::string wrong = ProviderFlags::Misplaced(*add, options->type); !wrong.empty()) {
      return app->Fail(kUsage, "USAGE", "command line", wrong, {"dmarcate providers add --help"});
    }
    const bool without = options->type == "exec" || options->type == "manual";
    if (!without && options->config.secret.empty()) {
      return app->Fail(kUsage, "USAGE", "command line", "--secret is required");
    }
    v1::CreateDnsProviderRequest request;
    request.set_dns_provider_id(options->name);
    request.set_validate_only(options->dry_run);
    if (const std::string wrong =
            options->config.Fill(*add, options->type, request.mutable_dns_provider(), nullptr);
        !wrong.empty()) {
      return app->Fail(kUsage, "USAGE", "command line", wrong);
    }
    v1::CreateDnsProviderResponse response;
    const auto stub = v1::ProviderService::NewStub(app->policyd());
    const grpc::Status status = Call(app, *stub, &Stub::CreateDnsProvider, request, &response);
    if (!status.ok()) return app->Fail("provider not added", status);
    google::protobuf::RepeatedPtrField<v1::DnsProvider> one;
    *one.Add() = response.dns_provider();
    Print(app->format(), response.dns_provider(), "", ProviderTable(one));
    FlushOut();
    if (options->dry_run) {
      app->Note("checked only; nothing was kept");
    } else if (app->format() == Format::kTable) {
      app->Note(fmt::format("next: dmarcate providers test {}",
                            LastSegment(response.dns_provider().name())));
    }
    return static_cast<int>(kDone);
  });

  CLI::App* test = group->add_subcommand("test", "try the credential; writes nothing");
  test->add_option("NAME", options->name)->required();
  test->footer("Examples:\n  dmarcate providers test main");
  app->OnSelected(test, [app, options] { return Test(app, *options); });

  CLI::App* list = group->add_subcommand("list", "all providers");
  options->page.Add(list);
  list->footer("Examples:\n  dmarcate providers list -o json");
  app->OnSelected(list, [app, options] {
    v1::ListDnsProvidersRequest request;
    options->page.Fill(&request);
    v1::ListDnsProvidersResponse response;
    const auto stub = v1::ProviderService::NewStub(app->policyd());
    const grpc::Status status = Call(app, *stub, &Stub::ListDnsProviders, request, &response);
    if (!status.ok()) return app->Fail("providers not listed", status);
    Print(app->format(), response, "dns_providers", ProviderTable(response.dns_providers()));
    NoteNextPage(*app, response);
    return static_cast<int>(kDone);
  });

  AddProviderChange(group, app);
}

}  // namespace dmarcate::cli
