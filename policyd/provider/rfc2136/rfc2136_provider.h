// policyd/provider/rfc2136/rfc2136_provider.h
// Any primary that takes RFC 2136 UPDATE with TSIG (BIND, Knot, PowerDNS, ...): class A, the whole
// RRset as read is the prerequisite. Reads ask the same server over TCP. The zones are those the
// operator configured: UPDATE has no way to list them. Rights are asked for by an update that wants
// the zone to have no SOA: section 3 has a server look at that first, BIND (from 9.18.11) and Knot
// look at rights before it, so a refusal is certain and anything else is not.

#ifndef DMARCATE_POLICYD_PROVIDER_RFC2136_RFC2136_PROVIDER_H_
#define DMARCATE_POLICYD_PROVIDER_RFC2136_RFC2136_PROVIDER_H_

#include <vector>

#include "lib/dns/update.h"
#include "policyd/provider/provider.h"

namespace dmarcate {

class Rfc2136Provider final : public DnsProvider {
 public:
  Rfc2136Provider(const ServerAddress& server, TsigKey key, std::vector<DomainName> zones);

  ProviderClass provider_class() const override { return ProviderClass::kA; }
  absl::StatusOr<DomainName> FindZone(const DomainName& owner) override;
  absl::StatusOr<std::vector<DomainName>> ListZones() override { return zones_; }
  absl::StatusOr<RrSet> ReadRrSet(const DomainName& zone, const DomainName& owner) override;
  absl::Status Apply(const DomainName& zone, const RrSetChange& change) override;
  ProviderTest Test() override;

 private:
  absl::Status CheckZone(const DomainName& zone) const;
  // Which rights the key has in the zone, as far as the server tells; false: one is missing.
  bool ProbeRights(const DomainName& zone, ProviderTest& test);
  DnsUpdateClient client_;
  const std::vector<DomainName> zones_;  // sorted
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_RFC2136_RFC2136_PROVIDER_H_
