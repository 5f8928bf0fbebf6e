// dmarcate check: the live posture of any domain, with the engine that policyd uses. Needs no
// daemon.

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/posture_text.h"
#include "dmarcate/v1/record.pb.h"
#include "lib/base/clock.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/dns/config.h"
#include "lib/dns/ldns_authoritative_resolver.h"
#include "lib/dns/ldns_resolver.h"
#include "lib/http/curl_transport.h"
#include "lib/inbound/certificate.h"
#include "lib/inbound/inbound.h"
#include "lib/inspect/posture.h"
#include "lib/mailauth/host_name.h"
#include "lib/view/inbound_view.h"
#include "lib/view/posture_view.h"

namespace dmarcate::cli {
namespace {

struct Options {
  std::string domain;
  std::vector<std::string> resolvers, stubs, selectors, networks;
  bool tree = false, skip_servers = false, inbound = false;
  uint16_t smtp_port = 25, https_port = 443;
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

// Connects to the domain's mail servers, and to the web server of its MTA-STS policy.
absl::Status LookInbound(const Options& options, const Posture& posture, Resolver& resolver,
                         const Clock& clock, v1::InboundPosture* out) {
  InboundOptions inbound;
  inbound.smtp_port = options.smtp_port;
  inbound.https_port = options.https_port;
  for (const std::string& text : options.networks) {
    const auto network = IpNetwork::Parse(text);
    if (!network) {
      return MakeError(absl::StatusCode::kInvalidArgument,
                       fmt::format("--allow-network '{}': want 10.1.0.0/16", text));
    }
    inbound.guard.allow.push_back(*network);
  }
  CurlTransport http({.schemes = CurlTransportOptions::Schemes::kHttpsOnly});
  DMARCATE_ASSIGN_OR_RETURN(const auto trust, TrustStore::Load());
  ToMessage(InspectInbound(posture.domain, posture.mx, posture.mta_sts,
                           {resolver, http, *trust, clock}, inbound),
            out);
  return absl::OkStatus();
}

int Check(App* app, const Options& options) {
  const auto domain = DomainName::Parse(options.domain);
  if (!domain.ok()) return app->Fail("not checked", domain.status());
  if (!IsHostName(*domain)) {
    return app->Fail("not checked",
                     MakeError(absl::StatusCode::kInvalidArgument,
                               fmt::format("{}: want the domain alone, letters, digits and hyphens "
                                           "between dots: example.com",
                                           EscapeForTerminal(options.domain))));
  }
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
  if (options.inbound) {
    const absl::Status looked =
        LookInbound(options, posture, **resolver, clock, response.mutable_inbound());
    if (!looked.ok()) return app->Fail("not checked", looked);
  }
  if (app->format() == Format::kTable || app->format() == Format::kWide) {
    WriteOut(PostureText(response) + InboundText(response));
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
  CLI::App* check = root->add_subcommand(
      "check", "live SPF, DMARC, DKIM, MX, MTA-STS and TLS-RPT of any domain; needs no daemon");
  check->add_option("DOMAIN", options->domain)->required();
  check->add_option("--selector", options->selectors, "DKIM selectors to look at");
  check->add_option("--resolver", options->resolvers,
                    "ADDRESS:PORT; default: those of /etc/resolv.conf");
  check->add_option("--stub", options->stubs, "ZONE=ADDRESS:PORT: ask this server about the zone");
  check->add_flag("--tree", options->tree, "draw the SPF tree with its costs");
  check->add_flag("--resolver-only", options->skip_servers, "leave the authoritative servers out");
  check->add_flag(
      "--inbound", options->inbound,
      "connect to the mail servers and fetch the MTA-STS policy: TLS, certificates, DANE");
  check->add_option("--allow-network", options->networks,
                    "connect to addresses of this network, too, though they are not public");
  check->add_option("--smtp-port", options->smtp_port, "of the mail servers, instead of 25");
  check->add_option("--https-port", options->https_port, "of the policy's web server");
  check->footer(
      "Exit codes: 0 nothing fails, 3 something fails, 8 something could not be learned.\n"
      "Examples:\n  dmarcate check example.com --selector s1\n"
      "  dmarcate check example.com --inbound\n"
      "  dmarcate check example.test --stub example.test=127.0.0.1:5300");
  app->OnSelected(check, [app, options] { return Check(app, *options); });
}

}  // namespace dmarcate::cli
