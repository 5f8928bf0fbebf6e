#include "tests/lib/dns/real_dns.h"

#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/zone_signer.h"

namespace dmarcate {
namespace {

using testing_support::Denial;
using testing_support::FreePort;
using testing_support::HasLoopbackV6;
using testing_support::Listen;
using testing_support::MakeZone;
using testing_support::RealBind;
using testing_support::RealKnot;
using testing_support::RealPowerDns;
using testing_support::RealUnbound;
using testing_support::SignedZone;
using testing_support::SignZone;
using testing_support::TestZone;
using testing_support::Validity;

// For every kind of answer a name.
std::string Records() {
  std::string records =
      "_dmarc TXT \"v=DMARC1; p=none; \" \"rua=mailto:d@example.test\"\n"
      "odd TXT \"\\000\\255\\\"\\\\;\"\n"
      "mail A 192.0.2.1\nmail AAAA 2001:db8::1\n"
      "below.ent TXT \"ent itself has no record\"\n"
      "*.wild TXT \"any\"\n"
      "alias CNAME _dmarc\n"
      "to-nothing CNAME nothing\n"
      "to-no-data CNAME mail\n"
      "loop CNAME pool\npool CNAME loop\n"
      "chain9 CNAME chain8\n"
      "moved DNAME target\n"
      "_dmarc.target TXT \"moved\"\n"
      "away NS ns.away\nns.away A 127.0.0.9\n"
      "out-knot CNAME v.vendor-knot.test.\ngone-knot DNAME vendor-knot.test.\n"
      "out-bind CNAME v.vendor-bind.test.\ngone-bind DNAME vendor-bind.test.\n"
      "out-powerdns CNAME v.vendor-powerdns.test.\ngone-powerdns DNAME vendor-powerdns.test.\n";
  for (int i = 8; i > 0; --i) {
    records += fmt::format("chain{} CNAME {}\n", i,
                           i == 1 ? std::string("_dmarc") : fmt::format("chain{}", i - 1));
  }
  // Over 255 octets with what a name below adds.
  const std::string label(60, 'x');
  records += fmt::format("long DNAME {0}.{0}.{0}\n", label);
  for (int i = 0; i < 12; ++i) {  // no datagram of 1232 octets holds it
    records += fmt::format("big TXT \"{}{}\"\n", i, std::string(200, 'x'));
  }
  return records;
}

TestZone ZoneOfThree(std::string_view name, int serial, std::string_view text) {
  return {std::string(name),
          fmt::format("$ORIGIN {}.\n$TTL 300\n@ SOA ns1 hostmaster {} 3600 600 86400 60\n"
                      "@ NS ns1\n@ NS ns2\n@ NS ns3\n"
                      "ns1 A 127.0.0.1\nns2 A 127.0.0.2\n{}ns3 A 127.0.0.3\n_dmarc TXT \"{}\"\n",
                      name, serial, HasLoopbackV6() ? "ns2 AAAA ::1\n" : "", text)};
}

// What `make` serves of those zones of which not everybody serves the same.
std::vector<TestZone> OwnZones(Make make) {
  const bool other = make == Make::kPowerDns;
  std::vector<TestZone> zones = {ZoneOfThree("same.test", 1, "same"),
                                 ZoneOfThree("serial.test", other ? 2 : 1, "same"),
                                 ZoneOfThree("differ.test", 1, other ? "other" : "same")};
  if (!other) zones.push_back(ZoneOfThree("partly.test", 1, "same"));
  zones.push_back(MakeZone(VendorZone(make), "v TXT \"vendor\"\n"));
  if (other) {
    // PowerDNS takes no zone with an error in it, but a program with one.
    zones.push_back(MakeZone("failing.test", "_dmarc LUA TXT \"no program (\"\n"));
  } else {
    zones.push_back({.name = "failing.test", .text = "no zone (\n", .loads = false});
  }
  return zones;
}

class Environment : public testing::Environment {
 public:
  void SetUp() override {
    auto started = RealDns::Start();
    ASSERT_THAT(started, testing_support::IsOk());
    dns = *std::move(started);
  }
  void TearDown() override { dns.reset(); }
  std::unique_ptr<RealDns> dns;
};
// gtest owns it.
Environment* const environment = static_cast<Environment*>(
    testing::AddGlobalTestEnvironment(new Environment));  // NOLINT(cppcoreguidelines-owning-memory)

}  // namespace

RealDns& TheRealDns() { return *environment->dns; }

std::string ToString(Make make) {
  switch (make) {
    case Make::kBind:
      return "Bind";
    case Make::kKnot:
      return "Knot";
    case Make::kPowerDns:
      return "PowerDns";
  }
  return "";
}

std::string VendorZone(Make make) { return "vendor-" + AsciiLower(ToString(make)) + ".test"; }

void PrintTo(Make make, std::ostream* out) { *out << ToString(make); }

absl::StatusOr<std::unique_ptr<RealDns>> RealDns::Start() {
  auto dns = std::make_unique<RealDns>();
  DMARCATE_RETURN_IF_ERROR(dns->StartAuthorities());
  for (const Make make : kMakes) DMARCATE_RETURN_IF_ERROR(dns->StartUnbound(make));
  return dns;
}

absl::Status RealDns::StartAuthorities() {
  const auto sign = [](std::string_view name, std::string_view more, Denial denial,
                       Validity validity = Validity::kNow) {
    return SignZone(MakeZone(name, Records() + std::string(more)), denial, validity);
  };
  DMARCATE_ASSIGN_OR_RETURN(const SignedZone child, sign("child.signed.test", "", Denial::kNsec));
  DMARCATE_ASSIGN_OR_RETURN(const SignedZone misled, sign("misled.signed.test", "", Denial::kNsec));
  DMARCATE_ASSIGN_OR_RETURN(const SignedZone other, sign("misled.signed.test", "", Denial::kNsec));
  std::string delegations = child.ds + other.ds;
  for (const char* const name : {"child", "plain", "misled"}) {
    delegations += fmt::format("{0} NS ns1.{0}\nns1.{0} A 127.0.0.1\n", name);
  }
  DMARCATE_ASSIGN_OR_RETURN(const SignedZone nsec, sign("signed.test", delegations, Denial::kNsec));
  DMARCATE_ASSIGN_OR_RETURN(const SignedZone nsec3, sign("nsec3.test", "", Denial::kNsec3));
  DMARCATE_ASSIGN_OR_RETURN(const SignedZone expired,
                            sign("expired.test", "", Denial::kNsec, Validity::kExpired));
  DMARCATE_ASSIGN_OR_RETURN(const SignedZone stripped, sign("stripped.test", "", Denial::kNsec));
  const std::vector<TestZone> common = {child.zone,
                                        misled.zone,
                                        nsec.zone,
                                        nsec3.zone,
                                        expired.zone,
                                        MakeZone("stripped.test", Records()),
                                        MakeZone("plain.signed.test", Records()),
                                        MakeZone("unsigned.test", Records())};
  for (const SignedZone* zone : {&nsec, &nsec3, &expired, &stripped}) {
    anchors_.push_back({zone->zone.name, "", zone->dnskey});
  }
  for (const Make make : kMakes) {
    std::vector<TestZone> zones = OwnZones(make);
    zones.insert(zones.end(), common.begin(), common.end());
    Listen listen{fmt::format("127.0.0.{}", Index(make) + 1), port_};
    if (HasLoopbackV6()) listen.port_v6 = make == Make::kKnot ? port_ : FreePort();
    auto& slot = authorities_[Index(make)];
    switch (make) {
      case Make::kBind: {
        DMARCATE_ASSIGN_OR_RETURN(slot, RealBind::Start(zones, {}, listen));
        break;
      }
      case Make::kKnot: {
        DMARCATE_ASSIGN_OR_RETURN(slot,
                                  RealKnot::Start(zones, RealKnot::Signing::kUnsigned, {}, listen));
        break;
      }
      case Make::kPowerDns: {
        DMARCATE_ASSIGN_OR_RETURN(slot, RealPowerDns::Start(zones, {}, listen));
        break;
      }
    }
  }
  return absl::OkStatus();
}

absl::Status RealDns::StartUnbound(Make make) {
  const std::string server = authority(make).server();
  std::vector<RealUnbound::Stub> stubs = anchors_;
  for (RealUnbound::Stub& stub : stubs) stub.server = server;
  for (const char* const name :
       {"unsigned.test", "away.unsigned.test", "child.signed.test", "plain.signed.test",
        "misled.signed.test", "failing.test", "absent.test", "same.test", "serial.test",
        "differ.test", "partly.test"}) {
    stubs.push_back({name, server, ""});
  }
  for (const Make vendor : kMakes) {
    stubs.push_back({VendorZone(vendor), authority(vendor).server(), ""});
  }
  Listen listen;
  if (HasLoopbackV6()) listen.port_v6 = FreePort();
  DMARCATE_ASSIGN_OR_RETURN(unbounds_[Index(make)], RealUnbound::Start(stubs, listen));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<testing_support::RealServer>> RealDns::StartImpatientUnbound(
    Make make) {
  RealUnbound::Stub stub = anchors_.front();
  stub.server = authority(make).server();
  // Milliseconds. Of its own accord it asks a dead server for most of a minute.
  return RealUnbound::Start({stub}, {}, "  infra-cache-max-rtt: 400\n");
}

absl::StatusOr<DnsAnswer> Asker::ByResolver(const std::string& resolver, std::string_view name,
                                            RrType type) const {
  DnsConfig config;
  config.resolvers = {resolver};
  config.timeout = timeout;
  config.deadline = deadline;
  DMARCATE_ASSIGN_OR_RETURN(auto view, LdnsResolver::Create(config, clock_));
  return view->Lookup(*DomainName::Parse(name), type);
}

absl::StatusOr<AuthoritativeAnswer> Asker::ByServers(const std::vector<std::string>& servers,
                                                     std::string_view name, RrType type,
                                                     bool over_tcp,
                                                     std::vector<DnsConfig::Stub> stubs) const {
  DnsConfig config;
  config.stubs = std::move(stubs);
  config.stubs.push_back({DomainName(), servers});
  return LookupAll(config, kDnsPort, name, type, over_tcp);
}

absl::StatusOr<AuthoritativeAnswer> Asker::ByDiscovery(const std::string& resolver, uint16_t port,
                                                       std::string_view name, RrType type) const {
  DnsConfig config;
  config.resolvers = {resolver};
  return LookupAll(config, port, name, type, /*over_tcp=*/false);
}

absl::StatusOr<AuthoritativeAnswer> Asker::LookupAll(const DnsConfig& config, uint16_t port,
                                                     std::string_view name, RrType type,
                                                     bool over_tcp) const {
  DnsConfig timed = config;
  timed.timeout = timeout;
  timed.deadline = deadline;
  DMARCATE_ASSIGN_OR_RETURN(auto view, LdnsResolver::Create(timed, clock_));
  DMARCATE_ASSIGN_OR_RETURN(auto authorities,
                            LdnsAuthoritativeResolver::Create(timed, *view, port));
  return authorities->LookupAll(*DomainName::Parse(name), type, over_tcp);
}

}  // namespace dmarcate
