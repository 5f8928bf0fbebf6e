// Both suites on every adapter for a host's HTTP API, over the vendor's rules in this process.

#include <algorithm>
#include <memory>

#include "tests/conformance/vendor/azure_server.h"
#include "tests/conformance/vendor/cloudflare_server.h"
#include "tests/conformance/vendor/digitalocean_server.h"
#include "tests/conformance/vendor/google_server.h"
#include "tests/conformance/vendor/route53_server.h"
#include "tests/conformance/vendor_suites.h"

namespace dmarcate {
namespace {

std::unique_ptr<VendorHost> Cloudflare() {
  VendorSetup setup{
      .type = "cloudflare", .secret = "cf-7Zq2kXw9VtB4mLr8YpNs", .wrong_secret = "cf-wrong"};
  setup.traits.ttl = [](uint32_t wished) { return std::clamp(wished, 60u, 86'400u); };
  setup.undecodable = "\"open \\9\"";
  auto server = std::make_unique<testing_support::CloudflareServer>(setup.secret);
  return std::make_unique<VendorHost>(std::move(setup), std::move(server));
}
DMARCATE_VENDOR(Cloudflare);

std::unique_ptr<VendorHost> DigitalOcean() {
  VendorSetup setup{.type = "digitalocean",
                    .secret = "dop_v1_7Zq2kXw9VtB4mLr8YpNs",
                    .wrong_secret = "dop_v1_wrong"};
  setup.traits.keeps_cuts = false;
  setup.traits.every_octet = false;
  setup.traits.hard_texts = {"quote \" semicolon ; parens ( )", " blanks ", "umlaut \xc3\xbc"};
  setup.traits.longest_text = 500;
  setup.traits.ttl = [](uint32_t wished) { return std::max(wished, 30u); };
  auto server = std::make_unique<testing_support::DigitalOceanServer>(setup.secret);
  return std::make_unique<VendorHost>(std::move(setup), std::move(server));
}
DMARCATE_VENDOR(DigitalOcean);

std::unique_ptr<VendorHost> Route53() {
  const auto file = [](const std::string& secret) {
    return "[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = " + secret + "\n";
  };
  const std::string key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
  VendorSetup setup{
      .type = "route53", .secret = file(key), .wrong_secret = file("wrong"), .canary = key};
  setup.undecodable = "bare";
  auto server = std::make_unique<testing_support::Route53Server>("AKIDEXAMPLE", key);
  auto* const route53 = server.get();
  auto host = std::make_unique<VendorHost>(std::move(setup), std::move(server));
  route53->SetClock([clock = &host->clock()] { return clock->Now(); });
  return host;
}
DMARCATE_VENDOR(Route53);

std::unique_ptr<VendorHost> GoogleCloudDns() {
  const testing_support::GoogleKeys& keys = testing_support::MakeGoogleKeys();
  VendorSetup setup{.type = "googleclouddns",
                    .secret = keys.right,
                    .wrong_secret = keys.wrong,
                    .canary = keys.right_pem};
  setup.undecodable = "\"open \\999\"";
  auto server = std::make_unique<testing_support::GoogleServer>(keys.public_pem);
  return std::make_unique<VendorHost>(std::move(setup), std::move(server));
}
DMARCATE_VENDOR(GoogleCloudDns);

std::unique_ptr<VendorHost> AzureDns() {
  VendorSetup setup{.type = "azuredns",
                    .settings = {{"tenant_id", "tenant-1"},
                                 {"client_id", "client-1"},
                                 {"subscription_id", "sub-1"}},
                    .secret = "Abc8Q~+0/9secret-of-the-app",
                    .wrong_secret = "wrong"};
  setup.traits.every_octet = false;
  setup.traits.ttl = [](uint32_t wished) { return std::max(wished, 1u); };
  setup.undecodable = "[7]";
  auto server = std::make_unique<testing_support::AzureServer>(setup.secret);
  return std::make_unique<VendorHost>(std::move(setup), std::move(server));
}
DMARCATE_VENDOR(AzureDns);

}  // namespace
}  // namespace dmarcate
