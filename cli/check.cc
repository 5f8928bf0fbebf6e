// dmarcate check: the live posture of any domain, with the engine that policyd uses. Needs no
// daemon.

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/posture_text.h"
#include "dmarcate/v1/record.pb.h"
#include "lib/base/clock.h"
#include "lib/base/status_macros.h"
#include "lib/dns/config.h"
#include "lib/dns/ldns_authoritative_resolver.h"
#include "lib/dns/ldns_resolver.h"
#include "lib/inspect/posture.h"
#include "lib/view/posture_view.h"

namespace dmarcate::cli {
namespace {

struct Options {
  std::string domain;
  std::vector<std::string> resolvers, stubs, selectors;
  bool tree = false, skip_servers = false;
};

// "example.com=192.0.2.53:53": a zone and one of its servers.
absl::Status AddStub(const std::string& text, DnsConfig* config) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("--stub '{}': want ZONE=ADDRESS:PORT", text));
  }
  DMARCATE_ASSIGN_OR_RETURN(const DomainName zone, DomainName::Parse(text.substr(0, equals)));
  DMARCATE_RETURN_IF_ERROR(ParseServerAddress(text.substr(equals + 1)).status());
  for (DnsConfig::Stub& stub : config->stubs) {
    if (stub.zone == zone) {
      stub.servers.push_back(text.substr(equals + 1));
      return absl::OkStatus();
    }
  }
  config->stubs.push_back({zone, {text.substr(equals + 1)}});
  return absl::OkStatus();
}

int Check(App* app, const Options& options) {
  const auto domain = DomainName::Parse(options.domain);
  if (!domain.ok()) return app->Fail("not checked", domain.status());
  DnsConfig config;
  config.resolvers = options.resolvers;
  for (const std::string& resolver : options.resolvers) {
    if (const auto address = ParseServerAddress(resolver); !address.ok()) {
      return app->Fail("not checked", address.status());
    }
  }
  for (const std::string& stub : options.stubs) {
    if (const auto status = AddStub(stub, &config); !status.ok()) {
      return app->Fail("not checked", status);
    }
  }
  const SystemClock clock;
  const auto resolver = LdnsResolver::Create(config, clock);
  if (!resolver.ok()) return app->Fail("not checked", resolver.status());
  const auto authoritative = LdnsAuthoritativeResolver::Create(config, **resolver);
  if (!authoritative.ok()) return app->Fail("not checked", authoritative.status());
  PostureOptions posture_options;
  posture_options.selectors = options.selectors;
  if (options.skip_servers) posture_options.server_views = ServerViews::kSkip;
  const Posture posture =
      InspectDomain(*domain, **resolver, **authoritative, clock, posture_options);
  v1::InspectRecordsResponse response;
  ToMessage(posture, {}, &response);
  if (app->format() == Format::kTable || app->format() == Format::kWide) {
    WriteOut(PostureText(response));
    if (options.tree && posture.spf.tree) {
      v1::SpfTree tree;
      ToMessage(*posture.spf.tree, &tree);
      WriteOut("\n" + SpfTreeText(tree));
    }
  } else {
    Print(app->format(), response, "records", PostureTable(response));
  }
  return PostureExitCode(response);
}

}  // namespace

void AddCheck(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* check =
      root->add_subcommand("check", "live SPF, DMARC, DKIM and MX of any domain; needs no daemon");
  check->add_option("DOMAIN", options->domain)->required();
  check->add_option("--selector", options->selectors, "DKIM selectors to look at");
  check->add_option("--resolver", options->resolvers,
                    "ADDRESS:PORT; default: those of /etc/resolv.conf");
  check->add_option("--stub", options->stubs, "ZONE=ADDRESS:PORT: ask this server about the zone");
  check->add_flag("--tree", options->tree, "draw the SPF tree with its costs");
  check->add_flag("--resolver-only", options->skip_servers, "leave the authoritative servers out");
  check->footer(
      "Exit codes: 0 nothing fails, 3 something fails, 8 something could not be learned.\n"
      "Examples:\n  dmarcate check example.com --selector s1\n"
      "  dmarcate check example.test --stub example.test=127.0.0.1:5300");
  app->OnSelected(check, [app, options] { return Check(app, *options); });
}

}  // namespace dmarcate::cli
