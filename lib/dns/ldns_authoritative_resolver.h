// lib/dns/ldns_authoritative_resolver.h
// What the authoritative servers say, each of them: the proof that a change is live.

#ifndef DMARCATE_LIB_DNS_LDNS_AUTHORITATIVE_RESOLVER_H_
#define DMARCATE_LIB_DNS_LDNS_AUTHORITATIVE_RESOLVER_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/dns/client.h"
#include "lib/dns/config.h"
#include "lib/dns/resolver.h"

namespace dmarcate {

// Thread-safe. Finds the zone through `resolver` by asking for the SOA of the owner, of its parent
// and so on; then the apex NS set and all A and AAAA of it. Asks at most kInParallel servers at
// once, each three times at most (losses only), all within DnsConfig::deadline.
//
// An address this machine has no route to (IPv6, often) is left out if the same name server has
// another: that is our network, not a failure of the zone. A name server of which none can be
// asked, and what is beyond kMaxNameServers or kMaxAddresses, is in the answer as an error
// (kUnavailable): an answer without it would look complete. So is only the first of those cut.
class LdnsAuthoritativeResolver final : public AuthoritativeResolver {
 public:
  static constexpr size_t kMaxNameServers = 16;
  static constexpr size_t kMaxAddresses = 48;
  static constexpr size_t kInParallel = 8;

  // `resolver` must outlive it. `port` is that of discovered servers; only tests have another
  // than 53. kInvalidArgument for a bad address in a stub.
  static absl::StatusOr<std::unique_ptr<LdnsAuthoritativeResolver>> Create(
      const DnsConfig& config, Resolver& resolver, uint16_t port = kDnsPort);

  absl::StatusOr<AuthoritativeAnswer> LookupAll(const DomainName& owner, RrType type,
                                                bool over_tcp) override;

 private:
  struct Target {
    DomainName name_server;
    ServerAddress address;
  };
  struct ZoneServers {
    DomainName zone;
    std::vector<Target> targets;
    std::vector<ServerAnswer> not_asked;  // name servers left out, with the reason
  };
  struct Stub {
    DomainName zone;
    std::vector<ServerAddress> servers;
  };
  // What one round brought: the answers; and if all that came lead out of the zone by the same
  // aliases, these. A server that has the target's zone, too, may have followed them further.
  struct Round {
    AuthoritativeAnswer answer;
    std::vector<DomainName> way_out;
  };
  LdnsAuthoritativeResolver(std::vector<Stub> stubs, const DnsConfig& config, Resolver& resolver,
                            uint16_t port);

  absl::StatusOr<DomainName> FindZone(const DomainName& owner, NetDeadline deadline);
  absl::StatusOr<ZoneServers> FindServers(const DomainName& owner, NetDeadline deadline);
  absl::StatusOr<Response> AskOne(const Target& target, const Question& question,
                                  NetDeadline deadline) const;
  absl::StatusOr<Round> AskAll(const Question& question, NetDeadline deadline);

  const std::vector<Stub> stubs_;  // deepest zone first
  const absl::Duration timeout_;
  const absl::Duration deadline_;
  Resolver& resolver_;
  const uint16_t port_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_DNS_LDNS_AUTHORITATIVE_RESOLVER_H_
