// lib/dns/message.h
// DNS queries and answers between octets and values (RFC 1035 section 4, RFC 6891). ldns builds and
// parses; what of an answer is taken, and what is not, is decided here.

#ifndef DMARCATE_LIB_DNS_MESSAGE_H_
#define DMARCATE_LIB_DNS_MESSAGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "lib/dns/resolver.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

enum class Recursion : uint8_t { kDesired, kNone };
enum class Validation : uint8_t {
  kWanted,
  kCheckingDisabled
};  // the CD bit, RFC 4035 section 3.2.2
enum class Edns : uint8_t { kUsed, kLeftOut };

inline constexpr uint16_t kEdnsUdpBytes = 1232;  // fits IPv6's minimum MTU: no fragments

// RFC 1035 section 4.1.1, RFC 2136 section 2.2, RFC 8945.
enum Rcode : int {
  kRcodeNoError = 0,
  kRcodeFormErr = 1,
  kRcodeServFail = 2,
  kRcodeNxDomain = 3,
  kRcodeNotImp = 4,
  kRcodeRefused = 5,
  kRcodeYxDomain = 6,
  kRcodeYxRrSet = 7,
  kRcodeNxRrSet = 8,
  kRcodeNotAuth = 9,
  kRcodeNotZone = 10,
  kRcodeBadVers = 16,
};
std::string RcodeName(int rcode);  // "SERVFAIL"; "RCODE23" if it has none

// For a message's id: from the system's random source, since a forger has to guess it.
uint16_t RandomId();

struct QueryOptions {
  Recursion recursion =
      Recursion::kDesired;  // with it DO and AD are set: we want to know of DNSSEC
  Validation validation = Validation::kWanted;
  Edns edns = Edns::kUsed;
};

// One query with the id given, one question, class IN.
std::string BuildQuery(const DomainName& name, RrType type, const QueryOptions& options,
                       uint16_t id);

// Whether `reply` answers `query`: QR, and the same id, opcode and question, its name without
// regard to case (RFC 5452 section 9.1). Looks at octets only, so a forger's datagram is never
// parsed.
bool IsReplyTo(std::string_view query, std::string_view reply);
// The TC bit of what IsReplyTo took.
bool IsTruncated(std::string_view reply);

struct Response {
  int rcode = kRcodeNoError;  // extended (RFC 6891 section 6.1.3)
  bool recursion_available = false;
  // For kRcodeNoError and kRcodeNxDomain. `validated` is the AD bit as it came; server and round
  // trip are not filled in.
  DnsAnswer answer;
  // The chain ends in a name of which this message says nothing: ask for cname_chain.back().
  bool alias_unresolved = false;
  uint32_t alias_ttl_seconds = UINT32_MAX;  // the smallest TTL in the chain
};

// Reads a reply to the question. Takes only records whose owner is the name, or the target of an
// alias that begins there; whatever else the answer section holds is ignored. Records that cannot
// be (a name with control characters, a TXT without strings) are left out.
//   kUnavailable        not a DNS message, or an alias to what is no domain name
//   kResourceExhausted  a chain of more than kMaxAliases
absl::StatusOr<Response> DecodeResponse(std::string_view reply, const DomainName& name,
                                        RrType type);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_DNS_MESSAGE_H_
