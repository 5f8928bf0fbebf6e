// Both suites on the adapters for the smaller hosts, over the vendors' rules in this process.

#include <algorithm>
#include <memory>

#include "tests/conformance/vendor/desec_server.h"
#include "tests/conformance/vendor/dnsimple_server.h"
#include "tests/conformance/vendor/gandi_server.h"
#include "tests/conformance/vendor/hetzner_server.h"
#include "tests/conformance/vendor/linode_server.h"
#include "tests/conformance/vendor/ns1_server.h"
#include "tests/conformance/vendor/ovh_server.h"
#include "tests/conformance/vendor/porkbun_server.h"
#include "tests/conformance/vendor/vultr_server.h"
#include "tests/conformance/vendor_suites.h"

namespace dmarcate {
namespace {

std::unique_ptr<VendorHost> Hetzner() {
  VendorSetup setup{
      .type = "hetzner", .secret = "hc-7Zq2kXw9VtB4mLr8YpNs", .wrong_secret = "hc-wrong"};
  setup.traits.ttl = [](uint32_t wished) { return std::max(wished, 60u); };
  setup.undecodable = "\"open \\9\"";
  auto server = std::make_unique<testing_support::HetznerServer>(setup.secret);
  return std::make_unique<VendorHost>(std::move(setup), std::move(server));
}
DMARCATE_VENDOR(Hetzner);

std::unique_ptr<VendorHost> Desec() {
  VendorSetup setup{
      .type = "desec", .secret = "ds-7Zq2kXw9VtB4mLr8YpNs", .wrong_secret = "ds-wrong"};
  setup.traits.ttl = [](uint32_t wished) { return std::clamp(wished, 3600u, 86'400u); };
  setup.undecodable = "\"open \\9\"";
  auto server = std::make_unique<testing_support::DesecServer>(setup.secret);
  return std::make_unique<VendorHost>(std::move(setup), std::move(server));
}
DMARCATE_VENDOR(Desec);

std::unique_ptr<VendorHost> Gandi() {
  VendorSetup setup{
      .type = "gandi", .secret = "gd-7Zq2kXw9VtB4mLr8YpNs", .wrong_secret = "gd-wrong"};
  setup.traits.ttl = [](uint32_t wished) { return std::clamp(wished, 300u, 2'592'000u); };
  setup.undecodable = "\"open \\9\"";
  auto server = std::make_unique<testing_support::GandiServer>(setup.secret);
  return std::make_unique<VendorHost>(std::move(setup), std::move(server));
}
DMARCATE_VENDOR(Gandi);

std::unique_ptr<VendorHost> Linode() {
  VendorSetup setup{
      .type = "linode", .secret = "li-7Zq2kXw9VtB4mLr8YpNs", .wrong_secret = "li-wrong"};
  setup.traits.keeps_cuts = false;
  setup.traits.every_octet = false;
  setup.traits.ttl = [](uint32_t wished) {
    return wished <= 300 ? 300u : wished <= 3600 ? 3600u : wished <= 86'400 ? 86'400u : 604'800u;
  };
  auto server = std::make_unique<testing_support::LinodeServer>(setup.secret);
  return std::make_unique<VendorHost>(std::move(setup), std::move(server));
}
DMARCATE_VENDOR(Linode);

std::unique_ptr<VendorHost> Dnsimple() {
  VendorSetup setup{
      .type = "dnsimple", .secret = "dn-7Zq2kXw9VtB4mLr8YpNs", .wrong_secret = "dn-wrong"};
  setup.traits.every_octet = false;
  setup.traits.hard_texts = {"quote \" backslash \\ semicolon ; parens ( )", "\\065", " blanks "};
  setup.traits.ttl = [](uint32_t wished) { return std::max(wished, 60u); };
  setup.undecodable = "\"open \\9\"";
  auto server = std::make_unique<testing_support::DnsimpleServer>(setup.secret);
  return std::make_unique<VendorHost>(std::move(setup), std::move(server));
}
DMARCATE_VENDOR(Dnsimple);

std::unique_ptr<VendorHost> Vultr() {
  VendorSetup setup{
      .type = "vultr", .secret = "vu-7Zq2kXw9VtB4mLr8YpNs", .wrong_secret = "vu-wrong"};
  setup.traits.keeps_cuts = false;
  setup.traits.every_octet = false;
  setup.traits.hard_texts = {"backslash \\ semicolon ; parens ( )", "\\065", " blanks ",
                             "umlaut \xc3\xbc"};
  setup.undecodable = "\"two\" \"strings\"";
  auto server = std::make_unique<testing_support::VultrServer>(setup.secret);
  return std::make_unique<VendorHost>(std::move(setup), std::move(server));
}
DMARCATE_VENDOR(Vultr);

std::unique_ptr<VendorHost> Ns1() {
  VendorSetup setup{.type = "ns1", .secret = "ns-7Zq2kXw9VtB4mLr8YpNs", .wrong_secret = "ns-wrong"};
  setup.traits.keeps_cuts = false;
  setup.traits.every_octet = false;
  auto server = std::make_unique<testing_support::Ns1Server>(setup.secret);
  return std::make_unique<VendorHost>(std::move(setup), std::move(server));
}
DMARCATE_VENDOR(Ns1);

std::unique_ptr<VendorHost> Porkbun() {
  const auto file = [](const std::string& secret) {
    return "apikey = pk1_7Zq2kXw9\nsecretapikey = " + secret + "\n";
  };
  const std::string key = "sk1_VtB4mLr8YpNs7Zq2kXw9";
  VendorSetup setup{
      .type = "porkbun", .secret = file(key), .wrong_secret = file("sk1_wrong"), .canary = key};
  setup.traits.keeps_cuts = false;
  setup.traits.every_octet = false;
  setup.traits.hard_texts = {"quote \" backslash \\ semicolon ; parens ( )", "\\065",
                             "umlaut \xc3\xbc"};
  setup.traits.ttl = [](uint32_t wished) { return std::max(wished, 600u); };
  auto server = std::make_unique<testing_support::PorkbunServer>("pk1_7Zq2kXw9", key);
  return std::make_unique<VendorHost>(std::move(setup), std::move(server));
}
DMARCATE_VENDOR(Porkbun);

std::unique_ptr<VendorHost> Ovh() {
  const auto file = [](const std::string& secret) {
    return "[ovh-eu]\napplication_key = ak7Zq2kXw9\napplication_secret = " + secret +
           "\nconsumer_key = ckXw9VtB4mLr8\n";
  };
  const std::string key = "asVtB4mLr8YpNs7Zq2kXw9";
  VendorSetup setup{
      .type = "ovh", .secret = file(key), .wrong_secret = file("as-wrong"), .canary = key};
  setup.traits.every_octet = false;
  setup.traits.hard_texts = {"quote \" backslash \\ semicolon ; parens ( )", "\\065", " blanks "};
  setup.traits.ttl = [](uint32_t wished) { return std::max(wished, 60u); };
  setup.undecodable = "\"open \\9\"";
  auto server = std::make_unique<testing_support::OvhServer>(
      testing_support::OvhServer::Keys{"ak7Zq2kXw9", key, "ckXw9VtB4mLr8"});
  auto* const ovh = server.get();
  auto host = std::make_unique<VendorHost>(std::move(setup), std::move(server));
  // The host's clock is ahead of ours.
  ovh->SetClock([clock = &host->clock()] { return clock->Now() + absl::Minutes(7); });
  return host;
}
DMARCATE_VENDOR(Ovh);

}  // namespace
}  // namespace dmarcate
