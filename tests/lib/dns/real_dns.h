// tests/lib/dns/real_dns.h
// A small DNS of real servers: BIND, Knot and PowerDNS, which serve the same zones, and a
// validating Unbound in front of each. They share a port, each on a loopback address of its own,
// so that their zones' NS and address records lead to them.
//
//   signed.test           signed, denial by NSEC; Unbound has its key
//   nsec3.test            the same, denial by NSEC3
//   unsigned.test         the same without signatures
//   child.signed.test     signed, and the DS at its parent fits
//   plain.signed.test     not signed, and no DS
//   misled.signed.test    signed, but the DS at its parent is of another key
//   expired.test          its signatures ended years ago; Unbound has its key
//   stripped.test         not signed, but Unbound has a key for it
//   failing.test          configured, but of no use: SERVFAIL
//   absent.test           at none of them: REFUSED
//   vendor-knot.test      at Knot only; likewise vendor-bind.test and vendor-powerdns.test
// With three name servers each, one of every make:
//   same.test             the same at all     serial.test    another serial at PowerDNS
//   differ.test           other content at PowerDNS          partly.test  PowerDNS does not hold it

#ifndef DMARCATE_TESTS_LIB_DNS_REAL_DNS_H_
#define DMARCATE_TESTS_LIB_DNS_REAL_DNS_H_

#include <array>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/base/clock.h"
#include "lib/dns/ldns_authoritative_resolver.h"
#include "lib/dns/ldns_resolver.h"
#include "tests/testing/servers.h"

namespace dmarcate {

enum class Make : uint8_t { kBind, kKnot, kPowerDns };
inline constexpr std::array kMakes = {Make::kBind, Make::kKnot, Make::kPowerDns};
std::string ToString(Make make);             // "Bind"
void PrintTo(Make make, std::ostream* out);  // for gtest
std::string VendorZone(Make make);           // "vendor-bind.test"

class RealDns {
 public:
  static absl::StatusOr<std::unique_ptr<RealDns>> Start();

  testing_support::RealServer& authority(Make make) { return *authorities_[Index(make)]; }
  testing_support::RealServer& unbound(Make make) { return *unbounds_[Index(make)]; }
  // Another one, for signed.test, that soon gives a server up; and one slow answer is enough.
  absl::StatusOr<std::unique_ptr<testing_support::RealServer>> StartImpatientUnbound(Make make);
  uint16_t port() const { return port_; }

 private:
  static size_t Index(Make make) { return static_cast<size_t>(make); }
  absl::Status StartAuthorities();
  absl::Status StartUnbound(Make make);

  const uint16_t port_ = testing_support::FreePort();
  std::vector<testing_support::RealUnbound::Stub> anchors_;  // without servers
  std::array<std::unique_ptr<testing_support::RealServer>, 3> authorities_;
  std::array<std::unique_ptr<testing_support::RealServer>, 3> unbounds_;
};

// Started before the first test of the program and gone after the last.
RealDns& TheRealDns();

// One question, answered by both resolvers from given servers.
class Asker {
 public:
  // So long for one exchange and for all of a look-up. The defaults are for what must succeed.
  absl::Duration timeout = absl::Seconds(4);
  absl::Duration deadline = absl::Seconds(20);

  // As receivers see it.
  absl::StatusOr<DnsAnswer> ByResolver(const std::string& resolver, std::string_view name,
                                       RrType type = RrType::kTxt) const;
  // As every one of `servers` says, for every zone but those of `stubs`.
  absl::StatusOr<AuthoritativeAnswer> ByServers(const std::vector<std::string>& servers,
                                                std::string_view name, RrType type = RrType::kTxt,
                                                bool over_tcp = false,
                                                std::vector<DnsConfig::Stub> stubs = {}) const;
  // The same with the zone and its servers found through `resolver`, at `port`.
  absl::StatusOr<AuthoritativeAnswer> ByDiscovery(const std::string& resolver, uint16_t port,
                                                  std::string_view name,
                                                  RrType type = RrType::kTxt) const;

 private:
  absl::StatusOr<AuthoritativeAnswer> LookupAll(const DnsConfig& config, uint16_t port,
                                                std::string_view name, RrType type,
                                                bool over_tcp) const;
  SystemClock clock_;
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_DNS_REAL_DNS_H_
