// policyd/provider/manual/manual_provider.h
// A DNS host without an API, or one whose key nobody wants to give away: a person sets the records
// that a plan shows, in whatever control panel there is, and the transaction watches the
// authoritative servers until they are there. What "the host keeps" is what its servers say.
//
// Class C: nothing compares when the person writes, and between the plan and the writing lies an
// hour, not a moment. What somebody else writes meanwhile is seen afterwards.

#ifndef DMARCATE_POLICYD_PROVIDER_MANUAL_MANUAL_PROVIDER_H_
#define DMARCATE_POLICYD_PROVIDER_MANUAL_MANUAL_PROVIDER_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/dns/resolver.h"
#include "policyd/provider/provider.h"

namespace dmarcate {

class ManualProvider final : public DnsProvider {
 public:
  // `zones`: those that somebody sets records in; none: every zone that there is in the DNS.
  // `servers` outlives the provider.
  ManualProvider(AuthoritativeResolver& servers, std::vector<DomainName> zones);

  ProviderClass provider_class() const override { return ProviderClass::kC; }
  ProviderWriter writer() const override { return ProviderWriter::kPerson; }
  // The zone that the DNS has there. kNotFound if it is none of `zones`.
  absl::StatusOr<DomainName> FindZone(const DomainName& owner) override;
  absl::StatusOr<std::vector<DomainName>> ListZones() override { return zones_; }
  // What the first server that answers says; whether all say so is for the caller to see.
  // kFailedPrecondition where a wildcard says it: there is no RRset at the name.
  absl::StatusOr<RrSet> ReadRrSet(const DomainName& zone, const DomainName& owner) override;
  // OK where `after` stands already; kAborted where `before` does not; else kFailedPrecondition: it
  // writes nothing.
  absl::Status Apply(const DomainName& zone, const RrSetChange& change) override;
  ProviderTest Test() override;

 private:
  absl::Status CheckZone(const DomainName& zone) const;
  absl::Status CheckNoWildcard(const DomainName& zone, const DomainName& owner,
                               const std::vector<TxtRecord>& records);
  AuthoritativeResolver& servers_;
  const std::vector<DomainName> zones_;  // sorted
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_MANUAL_MANUAL_PROVIDER_H_
