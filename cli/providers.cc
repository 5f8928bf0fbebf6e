// dmarcate providers: accounts at DNS hosts.

#include <map>
#include <utility>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/messages.h"
#include "dmarcate/v1/provider.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::ProviderService::Stub;

std::string ClassText(v1::ProviderClass provider_class) {
  if (provider_class == v1::PROVIDER_CLASS_UNSPECIFIED) return "-";
  return std::string(1, v1::ProviderClass_Name(provider_class).back());
}

std::string TypeText(const v1::DnsProvider& provider) {
  if (provider.has_powerdns()) return "powerdns";
  if (provider.has_rfc2136()) return "rfc2136";
  if (provider.has_exec()) return "exec";
  if (provider.has_manual()) return "manual";
  return provider.hosted().type();
}

// Where it is, or which part of the host: "project=mail-dns".
std::string EndpointText(const v1::DnsProvider& provider) {
  if (provider.has_powerdns()) return provider.powerdns().api_url();
  if (provider.has_rfc2136()) return provider.rfc2136().server();
  if (provider.has_exec()) return provider.exec().program();
  if (provider.has_manual()) return "a person";
  std::map<std::string, std::string> sorted(provider.hosted().settings().begin(),
                                            provider.hosted().settings().end());
  std::vector<std::string> texts;
  for (const auto& [key, value] : sorted) texts.push_back(key + "=" + value);
  return Join(texts, " ");
}

std::string ZonesText(const v1::DnsProvider& provider) {
  const auto& zones =
      provider.has_manual() ? provider.manual().zones() : provider.rfc2136().zones();
  return Join({zones.begin(), zones.end()}, " ");
}

Table ProviderTable(const google::protobuf::RepeatedPtrField<v1::DnsProvider>& providers) {
  Table table({{"PROVIDER"}, {"TYPE"}, {"CLASS"}, {"ENDPOINT"}, {"ZONES"}});
  for (const v1::DnsProvider& provider : providers) {
    table.Add(provider.name(),
              {std::string(LastSegment(provider.name())), TypeText(provider),
               ClassText(provider.provider_class()), EndpointText(provider), ZonesText(provider)});
  }
  return table;
}

struct Options {
  std::string name, type, api_url, server_id, server, key_name, algorithm, program, provider_class,
      secret;
  std::vector<std::string> zones, settings;
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
  add->add_option(
      "--secret", options->secret,
      "name of a secret of policyd's, a file in its secrets directory: API key or token, "
      "or TSIG key in base64; manual takes none");
  add->add_option("--api-url", options->api_url, "powerdns: http://127.0.0.1:8081");
  add->add_option("--server-id", options->server_id, "powerdns: default localhost");
  add->add_option("--address", options->server,
                  "rfc2136: ADDRESS:PORT of the primary; without a port 53");
  add->add_option("--zone", options->zones,
                  "rfc2136: zones that the key may update; manual: that a person does")
      ->delimiter(',');
  add->add_option("--key-name", options->key_name, "rfc2136: name of the TSIG key");
  add->add_option("--algorithm", options->algorithm, "rfc2136: default hmac-sha256");
  add->add_option("--program", options->program,
                  "exec: name of a [[program]] of policyd's configuration");
  add->add_option("--class", options->provider_class,
                  "exec: what the program promises, A to D; default C")
      ->check(CLI::IsMember({"A", "B", "C", "D"}).description(""));
  add->add_option("--set", options->settings, "a host's own settings: KEY=VALUE; may be repeated")
      ->check([](const std::string& text) {
        return text.find('=') == std::string::npos ? "want KEY=VALUE" : std::string();
      });
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
    // A flag that is passed over could send a secret elsewhere than was meant.
    const bool exec = options->type == "exec", manual = options->type == "manual";
    const bool hosted =
        options->type != "powerdns" && options->type != "rfc2136" && !exec && !manual;
    struct Flag {
      const char* name;
      bool taken;
      const char* takers;
    };
    const Flag kFlags[] = {
        {"--api-url", options->type == "powerdns", "powerdns"},
        {"--server-id", options->type == "powerdns", "powerdns"},
        {"--address", options->type == "rfc2136", "rfc2136"},
        {"--zone", options->type == "rfc2136" || manual, "rfc2136 and manual"},
        {"--key-name", options->type == "rfc2136", "rfc2136"},
        {"--algorithm", options->type == "rfc2136", "rfc2136"},
        {"--program", exec, "exec"},
        {"--class", exec, "exec"},
        {"--secret", !manual, "all types but manual"},
        {"--set", hosted, "the hosts"},
    };
    for (const Flag& flag : kFlags) {
      if (flag.taken || add->count(flag.name) == 0) continue;
      return app->Fail(kUsage, "USAGE", "command line",
                       fmt::format("{} is not for providers of type {}; it is for {}", flag.name,
                                   EscapeForTerminal(options->type), flag.takers),
                       {"dmarcate providers add --help"});
    }
    if (!exec && !manual && options->secret.empty()) {
      return app->Fail(kUsage, "USAGE", "command line", "--secret is required");
    }
    v1::CreateDnsProviderRequest request;
    request.set_dns_provider_id(options->name);
    request.set_validate_only(options->dry_run);
    if (options->type == "powerdns") {
      auto* config = request.mutable_dns_provider()->mutable_powerdns();
      config->set_api_url(options->api_url);
      config->set_server_id(options->server_id);
      config->set_secret(options->secret);
    } else if (exec) {
      auto* config = request.mutable_dns_provider()->mutable_exec();
      config->set_program(options->program);
      config->set_secret(options->secret);
      if (!options->provider_class.empty()) {
        config->set_provider_class(static_cast<v1::ProviderClass>(
            v1::PROVIDER_CLASS_A + (options->provider_class.front() - 'A')));
      }
    } else if (manual) {
      auto* config = request.mutable_dns_provider()->mutable_manual();
      for (const std::string& zone : options->zones) config->add_zones(zone);
    } else if (options->type != "rfc2136") {
      auto* config = request.mutable_dns_provider()->mutable_hosted();
      config->set_type(options->type);
      config->set_secret(options->secret);
      for (const std::string& setting : options->settings) {
        const size_t equals = setting.find('=');
        const std::string key = setting.substr(0, equals);
        if (config->settings().contains(key)) {
          return app->Fail(kUsage, "USAGE", "command line",
                           fmt::format("--set {}: given twice", EscapeForTerminal(key)));
        }
        (*config->mutable_settings())[key] = setting.substr(equals + 1);
      }
    } else {
      auto* config = request.mutable_dns_provider()->mutable_rfc2136();
      config->set_server(options->server);
      for (const std::string& zone : options->zones) config->add_zones(zone);
      config->set_key_name(options->key_name);
      config->set_algorithm(options->algorithm);
      config->set_secret(options->secret);
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
}

}  // namespace dmarcate::cli
