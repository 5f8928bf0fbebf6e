// lib/dns/ldns_resolver.h
// What receivers see: a recursive, preferably validating resolver is asked, and believed.

#ifndef DMARCATE_LIB_DNS_LDNS_RESOLVER_H_
#define DMARCATE_LIB_DNS_LDNS_RESOLVER_H_

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/base/clock.h"
#include "lib/dns/answer_cache.h"
#include "lib/dns/client.h"
#include "lib/dns/config.h"
#include "lib/dns/resolver.h"

namespace dmarcate {

// Thread-safe. Keeps answers for their TTL and errors for `keep_errors`. Servers are asked
// in the order given, one that was silent comes last for half a minute, or until it answers; a loss
// is repeated until DnsConfig::deadline, but not while all servers are such silent ones: each then
// has DnsConfig::timeout for a question.
//
// Without configured resolvers a stub's zone is asked of the stub's servers, as authorities. With
// them it is not: then this view is theirs alone, and stubs serve AuthoritativeResolver only.
class LdnsResolver final : public Resolver {
 public:
  static constexpr absl::Duration kPenalty = absl::Seconds(30);

  // Reads /etc/resolv.conf once if no resolvers are configured. `clock` must outlive it; it times
  // the cache and the penalties, sockets wait in real time. kInvalidArgument for a bad address.
  // `keep_errors`: so long the error that a question brought is its answer; for who asks what
  // strangers choose. Zero for who wants to see a repair at once.
  static absl::StatusOr<std::unique_ptr<LdnsResolver>> Create(
      const DnsConfig& config, const Clock& clock,
      absl::Duration keep_errors = absl::ZeroDuration());

  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override;

 private:
  // Servers that may be asked for names at or below a zone.
  struct Group {
    enum class Trust { kAlways, kLoopbackOnly, kNever };  // whose AD bit counts
    DomainName zone;
    std::vector<ServerAddress> servers;
    Recursion recursion = Recursion::kDesired;
    Trust trust = Trust::kNever;
  };
  LdnsResolver(std::vector<Group> groups, const DnsConfig& config, const Clock& clock,
               absl::Duration keep_errors);

  const Group& GroupFor(const DomainName& name) const;
  absl::StatusOr<DnsAnswer> Ask(const DomainName& name, RrType type);
  absl::StatusOr<Response> AskOnce(const DomainName& name, RrType type, NetDeadline deadline);
  std::vector<ServerAddress> InOrder(const Group& group);
  bool AllPenalised(const Group& group);
  void Penalise(const ServerAddress& server);
  void Pardon(const ServerAddress& server);

  const std::vector<Group> groups_;  // the last one is the root's
  const absl::Duration timeout_;
  const absl::Duration deadline_;
  const absl::Duration keep_errors_;
  const Clock& clock_;
  AnswerCache cache_;
  std::mutex mutex_;
  std::map<ServerAddress, absl::Duration> penalised_until_;  // monotonic
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_DNS_LDNS_RESOLVER_H_
