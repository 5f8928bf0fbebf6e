// dmarcate providers set and remove: another credential or another place, and the end of an
// account.

#include "cli/provider_change.h"

#include <memory>
#include <string>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/call.h"
#include "cli/provider_flags.h"
#include "cli/provider_text.h"
#include "dmarcate/v1/provider.grpc.pb.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::ProviderService::Stub;

struct Options {
  std::string name, confirm;
  ProviderFlags config;
  bool dry_run = false;
};

std::string ProviderResource(const std::string& provider) {
  return provider.starts_with("dnsProviders/") ? provider : "dnsProviders/" + provider;
}

grpc::Status Get(App* app, Stub& stub, const Options& options, v1::DnsProvider* provider) {
  v1::GetDnsProviderRequest request;
  request.set_name(ProviderResource(options.name));
  v1::GetDnsProviderResponse response;
  const grpc::Status status = Call(app, stub, &Stub::GetDnsProvider, request, &response);
  *provider = response.dns_provider();
  return status;
}

void PrintOne(const App& app, const google::protobuf::Message& response,
              const v1::DnsProvider& provider) {
  google::protobuf::RepeatedPtrField<v1::DnsProvider> one;
  *one.Add() = provider;
  Print(app.format(), response, "", ProviderTable(one));
  FlushOut();
}

int Set(App* app, const CLI::App& command, const Options& options) {
  const auto stub = v1::ProviderService::NewStub(app->policyd());
  v1::UpdateDnsProviderRequest request;
  grpc::Status status = Get(app, *stub, options, request.mutable_dns_provider());
  if (!status.ok()) return app->Fail("provider not changed", status);
  const std::string type = TypeText(request.dns_provider());
  std::string wrong = ProviderFlags::Misplaced(command, type);
  if (wrong.empty()) {
    wrong = options.config.Fill(command, type, request.mutable_dns_provider(),
                                request.mutable_update_mask());
  }
  if (wrong.empty() && request.update_mask().paths().empty()) wrong = "nothing to change";
  if (!wrong.empty()) {
    return app->Fail(kUsage, "USAGE", "providers set", wrong, {"dmarcate providers set --help"});
  }
  request.set_validate_only(options.dry_run);
  v1::UpdateDnsProviderResponse response;
  app->Expect("the new configuration is tested at the host");
  status = Call(app, *stub, &Stub::UpdateDnsProvider, request, &response);
  app->AskAbout(request.dns_provider().name());
  if (!status.ok()) return app->Fail("provider not changed", status);
  PrintOne(*app, response, response.dns_provider());
  if (app->format() == Format::kTable) {
    app->Note("tested: " + response.test_result().message());
    for (const std::string& warning : response.test_result().warnings()) {
      app->Note("warning: " + warning);
    }
  }
  if (options.dry_run) app->Note("tested only; nothing was changed");
  return kDone;
}

int Remove(App* app, const Options& options) {
  const auto stub = v1::ProviderService::NewStub(app->policyd());
  v1::DnsProvider provider;
  grpc::Status status = Get(app, *stub, options, &provider);
  if (!status.ok()) return app->Fail("provider not removed", status);
  v1::DeleteDnsProviderRequest request;
  request.set_name(provider.name());
  request.set_etag(provider.etag());
  request.set_validate_only(true);
  v1::DeleteDnsProviderResponse response;
  status = Call(app, *stub, &Stub::DeleteDnsProvider, request, &response);
  if (!status.ok()) return app->Fail("provider not removed", status);
  if (options.dry_run) {
    PrintOne(*app, response, response.dns_provider());
    app->Note("checked only; nothing was removed");
    return kDone;
  }
  const std::string_view name = LastSegment(provider.name());
  WriteErr(
      "no domain is bound to it. What was written through it stays in the DNS and can no longer be "
      "rolled\nback from here. The secret stays where it is: revoke it at the host\n");
  if (!app->ConfirmName(fmt::format("remove the account {}?", name), name, options.confirm)) {
    return kFailed;
  }
  request.set_validate_only(false);
  response.Clear();
  status = Call(app, *stub, &Stub::DeleteDnsProvider, request, &response);
  if (!status.ok()) return app->Fail("provider not removed", status);
  PrintOne(*app, response, response.dns_provider());
  return kDone;
}

}  // namespace

void AddProviderChange(CLI::App* providers, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* set = providers->add_subcommand(
      "set", "another secret, or another place, for an account; tested before it counts");
  set->add_option("NAME", options->name)->required();
  options->config.Add(set);
  set->add_flag("--dry-run", options->dry_run, "test only");
  set->footer(
      "What is not named stays as it is; the type of an account cannot change.\n"
      "Examples:\n  dmarcate providers set main --secret pdns-key-2\n"
      "  dmarcate providers set main --api-url https://ns2.example.net:8081 --dry-run\n"
      "  dmarcate providers set gcp --set project=mail-dns-2");
  app->OnSelected(set, [app, options, set] { return Set(app, *set, *options); });

  CLI::App* remove = providers->add_subcommand(
      "remove", "forget an account that no domain is bound to; changes no DNS");
  remove->add_option("NAME", options->name)->required();
  remove->add_option("--confirm", options->confirm,
                     "the name once more, where nobody can be asked");
  remove->add_flag("--dry-run", options->dry_run, "only whether it can be removed");
  remove->footer("Examples:\n  dmarcate providers remove main --confirm main");
  app->OnSelected(remove, [app, options] { return Remove(app, *options); });
}

}  // namespace dmarcate::cli
