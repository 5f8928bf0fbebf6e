// lib/inspect/spf_check.h
// check_host() over the live DNS: what a receiver would say right now.

#ifndef DMARCATE_LIB_INSPECT_SPF_CHECK_H_
#define DMARCATE_LIB_INSPECT_SPF_CHECK_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/dns/resolver.h"
#include "lib/mailauth/spf_evaluate.h"

namespace dmarcate {

// RFC 7208 section 4.6.4: at least 20 seconds, beyond which the result is temperror.
inline constexpr absl::Duration kMaxSpfCheckTime = absl::Seconds(20);

// Answers an SPF evaluation from a Resolver, for as long as there is time. A name that DomainName
// cannot hold does not exist.
class ResolverSpfDns final : public SpfDns {
 public:
  ResolverSpfDns(Resolver& resolver, const Clock& clock, absl::Duration max_time)
      : resolver_(resolver), clock_(clock), end_(clock.Monotonic() + max_time) {}

  absl::StatusOr<std::vector<std::string>> LookupTxt(const std::string& name) override;
  absl::StatusOr<std::vector<IpAddress>> LookupA(const std::string& name) override;
  absl::StatusOr<std::vector<IpAddress>> LookupAaaa(const std::string& name) override;
  absl::StatusOr<std::vector<DomainName>> LookupMx(const std::string& name) override;
  absl::StatusOr<std::vector<DomainName>> LookupPtr(const IpAddress& address) override;

 private:
  absl::StatusOr<DnsAnswer> Lookup(const std::string& name, RrType type);
  absl::StatusOr<std::vector<IpAddress>> LookupAddresses(const std::string& name, RrType type);

  Resolver& resolver_;
  const Clock& clock_;
  const absl::Duration end_;  // monotonic
};

// Blocks for its look-ups: at most 10 terms, each with at most 11 queries (an mx with 10
// exchanges). After `max_time` no look-up begins; the last one may take the resolver's deadline
// longer.
SpfEvaluation CheckHost(const SpfRequest& request, Resolver& resolver, const Clock& clock,
                        absl::Duration max_time = kMaxSpfCheckTime);

// "1.2.0.192.in-addr.arpa", or nibbles under ip6.arpa.
std::string ReverseName(const IpAddress& address);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INSPECT_SPF_CHECK_H_
