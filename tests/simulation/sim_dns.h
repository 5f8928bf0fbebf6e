// tests/simulation/sim_dns.h
// The DNS of a simulated world: names with TXT records whose past is kept, three authoritative
// servers that may lag, be silent or lie, and a resolver. Everything of type TXT; other types are
// NODATA.

#ifndef DMARCATE_TESTS_SIMULATION_SIM_DNS_H_
#define DMARCATE_TESTS_SIMULATION_SIM_DNS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/dns/resolver.h"

namespace dmarcate::simulation {

// Thread-safe: the change engine asks from a thread of its own. Times are of the monotonic clock,
// as the wall clock of a simulated policyd jumps.
class SimDns final : public Resolver, public AuthoritativeResolver {
 public:
  static constexpr size_t kServers = 3;

  explicit SimDns(const Clock& clock) : clock_(clock) {}

  // Texts from now on; none: NXDOMAIN. For every change of a zone, by whomever.
  void Note(const DomainName& owner, const std::vector<std::string>& texts);
  // A zone of the world; names outside of every zone have no authoritative servers here.
  void AddZone(const DomainName& zone);

  struct Server {
    absl::Duration lag = absl::ZeroDuration();
    bool silent = false;
    std::optional<std::vector<std::string>> lie;  // texts shown for every name
  };
  void Configure(size_t index, Server server);
  // Nobody can be asked: neither servers nor resolver.
  void SetDown(bool down);

  // What is published now, and what was at a time of the monotonic clock.
  std::vector<std::string> Texts(const DomainName& owner) const;
  std::vector<std::string> TextsAt(const DomainName& owner, absl::Duration when) const;

  // Grows whenever an answer may be another one than before; while a server lags behind a change
  // that is younger than its lag, answers change without it: Settled() is false then.
  uint64_t generation() const;
  bool Settled() const;

  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override;
  absl::StatusOr<AuthoritativeAnswer> LookupAll(const DomainName& owner, RrType type,
                                                bool over_tcp) override;

 private:
  struct Change {
    absl::Duration time;
    std::vector<std::string> texts;
  };
  const std::vector<std::string>* Find(const DomainName& owner, absl::Duration when) const;
  DnsAnswer Answer(const DomainName& owner, RrType type, absl::Duration when) const;

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<DomainName, std::vector<Change>> names_;
  std::set<DomainName> zones_;
  std::array<Server, kServers> servers_;
  bool down_ = false;
  uint64_t generation_ = 0;
  absl::Duration last_change_;
};

}  // namespace dmarcate::simulation

#endif  // DMARCATE_TESTS_SIMULATION_SIM_DNS_H_
