// tests/policyd/reconcile/fake_fleet.h
// Authoritative servers in memory: each shows what the provider held some time ago, unless it is
// silent or lies.

#ifndef DMARCATE_TESTS_POLICYD_RECONCILE_FAKE_FLEET_H_
#define DMARCATE_TESTS_POLICYD_RECONCILE_FAKE_FLEET_H_

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/dns/resolver.h"
#include "policyd/provider/fake_provider.h"

namespace dmarcate {

class FakeFleet final : public AuthoritativeResolver {
 public:
  static constexpr size_t kServers = 4;

  FakeFleet(FakeDnsProvider& provider, const Clock& clock) : provider_(provider), clock_(clock) {}

  // What the provider holds from now on. To be called for each of its changes.
  void Note(const DomainName& owner, const RrSet& rrset) {
    const std::lock_guard lock(mutex_);
    history_[owner].push_back({clock_.Monotonic(), rrset});
  }
  // The zones are served by ns1.SUFFIX and so on; "test" until told otherwise.
  void MoveTo(const std::string& suffix) {
    const std::lock_guard lock(mutex_);
    suffix_ = suffix;
  }

  struct Server {
    absl::Duration lag = absl::ZeroDuration();
    bool silent = false;
    std::optional<std::vector<std::string>> lie;  // texts shown for every name
  };
  void Configure(size_t index, Server server) {
    const std::lock_guard lock(mutex_);
    servers_[index] = server;
  }
  void SetAlias(const DomainName& owner, const DomainName& target) {
    const std::lock_guard lock(mutex_);
    aliases_[owner] = target;
  }

  absl::StatusOr<AuthoritativeAnswer> LookupAll(const DomainName& owner, RrType type,
                                                bool over_tcp) override {
    if (type != RrType::kTxt || !over_tcp) return absl::InvalidArgumentError("proofs use TCP");
    AuthoritativeAnswer answer;
    bool found = false;
    const std::vector<DomainName> zones = provider_.ListZones().value();
    for (const DomainName& zone : zones) {
      if (!owner.IsAtOrBelow(zone) || zone.label_count() < answer.zone.label_count()) continue;
      answer.zone = zone;
      found = true;
    }
    if (!found) return absl::UnavailableError("no zone cut found");
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < kServers; ++i) {
      ServerAnswer server;
      server.name_server = *DomainName::Parse("ns" + std::to_string(i + 1) + "." + suffix_);
      server.address = "192.0.2." + std::to_string(i + 1) + ":53";
      if (servers_[i].silent) {
        server.answer = absl::DeadlineExceededError("no answer");
      } else {
        server.answer = Answer(servers_[i], owner);
      }
      answer.servers.push_back(std::move(server));
    }
    return answer;
  }

 private:
  struct Change {
    absl::Duration time;
    RrSet rrset;
  };

  DnsAnswer Answer(const Server& server, const DomainName& owner) const {
    DnsAnswer answer;
    answer.authoritative = true;
    if (const auto alias = aliases_.find(owner); alias != aliases_.end()) {
      answer.cname_chain.push_back(alias->second);
    } else if (server.lie.has_value()) {
      for (const std::string& text : *server.lie) answer.txt.push_back(MakeTxtRecord(text));
    } else if (const auto found = history_.find(owner); found != history_.end()) {
      // What was there when the clock started is everywhere.
      for (const Change& change : found->second) {
        if (change.time > absl::ZeroDuration() && change.time + server.lag > clock_.Monotonic()) {
          continue;
        }
        answer.txt = change.rrset.records;
      }
    }
    answer.outcome = answer.txt.empty() ? DnsOutcome::kNoData : DnsOutcome::kRecords;
    return answer;
  }

  FakeDnsProvider& provider_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  Server servers_[kServers];
  std::string suffix_ = "test";
  std::map<DomainName, DomainName> aliases_;
  std::map<DomainName, std::vector<Change>> history_;
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_POLICYD_RECONCILE_FAKE_FLEET_H_
