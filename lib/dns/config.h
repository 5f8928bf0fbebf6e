// lib/dns/config.h
// Where DNS questions go: server addresses as text, the [dns] table, /etc/resolv.conf.

#ifndef DMARCATE_LIB_DNS_CONFIG_H_
#define DMARCATE_LIB_DNS_CONFIG_H_

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/base/ip_address.h"
#include "lib/base/toml_config.h"
#include "lib/dns/resolver.h"

namespace dmarcate {

inline constexpr uint16_t kDnsPort = 53;

struct ServerAddress {
  IpAddress address;
  uint16_t port = kDnsPort;

  std::string ToString() const;  // "192.0.2.53:53", "[2001:db8::53]:53"
  bool IsLoopback() const;
  friend auto operator<=>(const ServerAddress&, const ServerAddress&) = default;
};

// "192.0.2.53:53", "[2001:db8::53]:53"; without a port (then a bare IPv6 address, too) it is 53.
// kInvalidArgument; names are refused, who would resolve them?
absl::StatusOr<ServerAddress> ParseServerAddress(std::string_view text);
absl::StatusOr<std::vector<ServerAddress>> ParseServerAddresses(
    const std::vector<std::string>& texts);

// Reads dns.resolvers, dns.timeout, dns.deadline and [[dns.stub]] zone, servers. What is wrong in
// them is reported by file.Finish().
DnsConfig LoadDnsConfig(TomlConfig& file);

// The `nameserver` lines of a resolv.conf(5), at most three; 127.0.0.1 if there is none.
std::vector<ServerAddress> ParseResolvConf(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_DNS_CONFIG_H_
