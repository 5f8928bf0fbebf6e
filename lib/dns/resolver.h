// lib/dns/resolver.h
// Two views of the live DNS: what receivers see (a validating resolver) and what the authoritative
// servers say, each of them. Interfaces and values only; ldns stays inside this directory's .cc
// files.
//
// Unknown is never absent: kNoData and kNxDomain are answers; an error means that nothing was
// learned:
//   kDeadlineExceeded  nobody answered in time     kUnavailable  SERVFAIL, REFUSED, unreachable
//   kDataLoss          DNSSEC says bogus           kResourceExhausted  chain or budget exceeded

#ifndef DMARCATE_LIB_DNS_RESOLVER_H_
#define DMARCATE_LIB_DNS_RESOLVER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/mailauth/domain_name.h"

namespace dmarcate {

enum class RrType : uint16_t {
  kA = 1,
  kNs = 2,
  kCname = 5,
  kSoa = 6,
  kPtr = 12,
  kMx = 15,
  kTxt = 16,
  kAaaa = 28,
  kDs = 43,
  kDnskey = 48,
  kTlsa = 52,
};
std::string ToString(RrType type);  // "TXT"

enum class DnsOutcome : uint8_t { kRecords, kNoData, kNxDomain };

// One TXT record, as its character-strings (each at most 255 octets of any value). Readers join
// them without a separator; where a text was cut has no meaning, but a prerequisite compares it.
struct TxtRecord {
  std::vector<std::string> strings;
  std::string Joined() const;
  // Quoted presentation form, RFC 1035 section 5.1: "\"v=spf1\" \"-all\"".
  std::string ToPresentation() const;
  friend bool operator==(const TxtRecord&, const TxtRecord&) = default;
};
// Cut into strings of at most 255 octets.
TxtRecord MakeTxtRecord(std::string_view text);
// RFC 1035 section 5.1, quoted or bare. kInvalidArgument with the position.
absl::StatusOr<TxtRecord> ParseTxtPresentation(std::string_view text);

struct MxRecord {
  uint16_t preference = 0;
  DomainName exchange;  // the root for a null MX (RFC 7505)
  friend auto operator<=>(const MxRecord&, const MxRecord&) = default;
};

// What one question brought, from one server or from a resolver. Exactly one of the record lists is
// filled, by `type`; addresses and names are text in canonical form.
struct DnsAnswer {
  DnsOutcome outcome = DnsOutcome::kNxDomain;
  RrType type = RrType::kTxt;
  bool validated = false;               // AD from a trusted resolver
  bool authoritative = false;           // AA
  std::vector<DomainName> cname_chain;  // targets followed, in order
  std::vector<TxtRecord> txt;
  std::vector<std::string> texts;  // A, AAAA: addresses; NS, PTR, CNAME: names; other: presentation
  std::vector<MxRecord> mx;
  uint32_t ttl_seconds = 0;  // of the RRset; for no records the negative TTL, if known
  uint32_t soa_serial = 0;   // from the authority section, 0 if none
  std::string server;        // "192.0.2.53:53": who said so
  absl::Duration round_trip;
};

// Thread-safe. Every call ends by the deadline given at construction.
class Resolver {
 public:
  virtual ~Resolver() = default;
  virtual absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) = 0;
};

// One server's view; `answer` is an error where that server taught us nothing.
struct ServerAnswer {
  DomainName name_server;  // "ns1.example.net"; the root for a configured stub address
  std::string address;     // "192.0.2.53:53"
  absl::StatusOr<DnsAnswer> answer = absl::UnknownError("not asked");
};

// What all authoritative servers of the zone that holds `owner` say.
struct AuthoritativeAnswer {
  DomainName zone;
  std::vector<ServerAnswer> servers;
  // All that answered agree (same outcome; TXT compared as sets of joined octets), and at least
  // one answered.
  bool consistent() const;
  bool complete() const;  // every server answered
  // The first usable answer, or the first error.
  absl::StatusOr<DnsAnswer> First() const;
};

// Thread-safe.
class AuthoritativeResolver {
 public:
  virtual ~AuthoritativeResolver() = default;
  // Finds the zone cut and its servers through the resolver (or a configured stub), asks every
  // address of every server without recursion, UDP then TCP on truncation. `over_tcp`: TCP only,
  // for proofs.
  //   kUnavailable, kDeadlineExceeded  the zone or its servers could not be found
  virtual absl::StatusOr<AuthoritativeAnswer> LookupAll(const DomainName& owner, RrType type,
                                                        bool over_tcp) = 0;
};

// DESIGN section 13.4; the same table for both daemons and the flags of `dmarcate check`.
struct DnsConfig {
  struct Stub {
    DomainName zone;
    std::vector<std::string> servers;  // "address:port" or "[v6]:port"
  };
  // What receivers see is asked of these, and their AD bit is trusted. Empty: those of
  // /etc/resolv.conf, trusted only on loopback, and the stubs for their zones.
  std::vector<std::string> resolvers;
  std::vector<Stub> stubs;  // authoritative servers of these zones, instead of discovery
  absl::Duration timeout = absl::Seconds(2);    // for one exchange
  absl::Duration deadline = absl::Seconds(10);  // for one Lookup with all retries
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_DNS_RESOLVER_H_
