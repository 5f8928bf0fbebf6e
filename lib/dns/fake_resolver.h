// lib/dns/fake_resolver.h
// Both views of a DNS in memory, for tests.

#ifndef DMARCATE_LIB_DNS_FAKE_RESOLVER_H_
#define DMARCATE_LIB_DNS_FAKE_RESOLVER_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/dns/resolver.h"

namespace dmarcate {

// Unknown names are NXDOMAIN; a name with records of another type, or above a known name, is
// NODATA. Aliases are followed, at most eight. Thread-safe.
class FakeResolver final : public Resolver {
 public:
  struct Query {
    DomainName name;
    RrType type;
    friend auto operator<=>(const Query&, const Query&) = default;
  };

  // Each replaces the RRset; an empty list removes it, the name stays (NODATA).
  void SetTxt(const DomainName& name, const std::vector<std::string>& texts);
  void SetTxtRecords(const DomainName& name, std::vector<TxtRecord> records);  // exact strings
  void SetA(const DomainName& name, std::vector<std::string> addresses);
  void SetAaaa(const DomainName& name, std::vector<std::string> addresses);
  void SetMx(const DomainName& name, std::vector<MxRecord> records);
  void SetCname(const DomainName& name, const DomainName& target);
  // Any other type: NS, PTR, SOA, DS, TLSA, as DnsAnswer::texts has them.
  void SetTexts(const DomainName& name, RrType type, std::vector<std::string> texts);
  // Removes all RRsets and failures of the name.
  void Remove(const DomainName& name);

  // From now on this question brings `error`; an OK status lifts it.
  void Fail(const DomainName& name, RrType type, absl::Status error);
  // Every question, whatever was set.
  void FailAll(absl::Status error);
  // What answers carry: AD, TTL (300 by default), the server's name ("fake:53").
  void SetValidated(bool validated);
  void SetTtl(uint32_t seconds);
  void SetServer(std::string server);
  // Called before each question, on the thread that asks; may call this, and may block.
  void Before(std::function<void(const Query& query)> call);

  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override;
  // What was asked, oldest first, to count look-ups.
  std::vector<Query> queries() const;
  void ClearQueries();

 private:
  struct RrSet {
    std::vector<TxtRecord> txt;
    std::vector<std::string> texts;
    std::vector<MxRecord> mx;
    bool empty() const { return txt.empty() && texts.empty() && mx.empty(); }
  };
  using Key = std::pair<DomainName, RrType>;
  void Set(const DomainName& name, RrType type, RrSet rrset);
  bool Exists(const DomainName& name) const;

  mutable std::mutex mutex_;
  std::map<Key, RrSet> rrsets_;
  std::map<Key, absl::Status> failures_;
  absl::Status failure_;
  bool validated_ = false;
  uint32_t ttl_seconds_ = 300;
  std::string server_ = "fake:53";
  std::vector<Query> queries_;
  std::function<void(const Query&)> before_;
};

// Zones, each with servers that may differ: every server is a FakeResolver. A name outside every
// zone is kUnavailable, as when no zone cut can be found. Aliases are followed into other zones.
// Thread-safe.
class FakeAuthoritativeResolver final : public AuthoritativeResolver {
 public:
  // Names its servers ns1.ZONE, ns2.ZONE, ... at 192.0.2.1:53, 192.0.2.2:53, ...
  void AddZone(const DomainName& zone, size_t servers = 2);
  // One server, to make it differ from the others. Aborts if there is no such zone or server.
  FakeResolver& server(const DomainName& zone, size_t index);
  // On every server of the zone that holds `name`. Aborts if there is none.
  void SetTxt(const DomainName& name, const std::vector<std::string>& texts);
  void SetCname(const DomainName& name, const DomainName& target);
  // The whole look-up fails, as when the zone cut cannot be found; an OK status lifts it.
  void Fail(const DomainName& name, RrType type, absl::Status error);

  absl::StatusOr<AuthoritativeAnswer> LookupAll(const DomainName& owner, RrType type,
                                                bool over_tcp) override;
  std::vector<FakeResolver::Query> queries() const;

 private:
  using Servers = std::vector<std::unique_ptr<FakeResolver>>;
  // The deepest zone at or above `name`, or end.
  std::map<DomainName, Servers>::iterator Find(const DomainName& name);

  mutable std::mutex mutex_;
  std::map<DomainName, Servers> zones_;
  std::map<std::pair<DomainName, RrType>, absl::Status> failures_;
  std::vector<FakeResolver::Query> queries_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_DNS_FAKE_RESOLVER_H_
