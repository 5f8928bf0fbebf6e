// policyd/provider/powerdns/api_url.h
// Addresses of PowerDNS's HTTP API: where an API key may be sent at all, and how names are spelled
// in its paths.

#ifndef DMARCATE_POLICYD_PROVIDER_POWERDNS_API_URL_H_
#define DMARCATE_POLICYD_PROVIDER_POWERDNS_API_URL_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "lib/mailauth/domain_name.h"

namespace dmarcate {

struct PowerDnsEndpoint {
  std::string origin;     // "http://127.0.0.1:8081"
  std::string server_id;  // "localhost"
  bool local = false;     // a loopback address: what is sent there does not leave this machine
  // "http://127.0.0.1:8081/api/v1/servers/localhost"
  std::string ServerUrl() const;
};

// `api_url`: scheme, host and port, without /api/v1; an empty `server_id` is "localhost". The key
// travels in clear with plain http, so that is for loopback only.
//   kInvalidArgument  the message says what is wanted
absl::StatusOr<PowerDnsEndpoint> ParsePowerDnsEndpoint(std::string_view api_url,
                                                       std::string_view server_id);

// The id PowerDNS gives a zone: its name with the final dot, all but letters, digits, '.' and '-'
// as =XX.
std::string PowerDnsZoneId(const DomainName& zone);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_POWERDNS_API_URL_H_
