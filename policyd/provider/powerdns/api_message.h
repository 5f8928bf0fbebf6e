// policyd/provider/powerdns/api_message.h
// The JSON of PowerDNS's HTTP API, read with suspicion and written exactly.

#ifndef DMARCATE_POLICYD_PROVIDER_POWERDNS_API_MESSAGE_H_
#define DMARCATE_POLICYD_PROVIDER_POWERDNS_API_MESSAGE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/dns/resolver.h"
#include "lib/http/transport.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

// One zone, as far as a TXT RRset is concerned.
struct PowerDnsZone {
  std::string kind;  // "Native", "Master", "Primary", "Slave", "Secondary", "Producer", "Consumer"
  uint32_t ttl_seconds = 0;
  std::vector<TxtRecord> served;      // of the owner asked for
  std::vector<std::string> disabled;  // contents, kept but not served
  bool has_cname = false;             // at the owner
  // What is written to a zone of this kind stays and reaches its secondaries.
  bool IsWritable() const;
};

// A zone with its RRsets, filtered for `owner`: servers before 4.6 ignore the filters of the query.
//   kDataLoss  not what the API documents
absl::StatusOr<PowerDnsZone> ParsePowerDnsZone(std::string_view json, const DomainName& owner);
// Names of a list of zones.
absl::StatusOr<std::vector<DomainName>> ParsePowerDnsZoneNames(std::string_view json);

// The body of a PATCH that makes the TXT RRset of `owner` consist of `records` and, not served, of
// `disabled`. Comments stay, unless the RRset goes.
std::string MakePowerDnsPatch(const DomainName& owner, uint32_t ttl_seconds,
                              const std::vector<TxtRecord>& records,
                              const std::vector<std::string>& disabled);

enum class HttpAccess : uint8_t { kRead, kWrite };
// What a response that is not 2xx means, as provider.h has it; OK for 2xx. After a write a 5xx says
// nothing about what happened: kUnknown.
absl::Status PowerDnsError(const HttpResponse& response, HttpAccess access);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_POWERDNS_API_MESSAGE_H_
