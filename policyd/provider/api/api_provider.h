// policyd/provider/api/api_provider.h
// The DnsProvider over any ZoneApi: finds the zone, reads, compares, has it written, reads back.

#ifndef DMARCATE_POLICYD_PROVIDER_API_API_PROVIDER_H_
#define DMARCATE_POLICYD_PROVIDER_API_API_PROVIDER_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "policyd/provider/api/zone_api.h"
#include "policyd/provider/provider.h"

namespace dmarcate {

// A write that was throttled is compared again before it is repeated. After a write the host is
// read until it shows it, for some hosts answer from a copy that lags; if it never does: kUnknown.
class ApiProvider final : public DnsProvider {
 public:
  static constexpr absl::Duration kReadDeadline = absl::Seconds(45);  // pages and pauses included
  static constexpr absl::Duration kApplyDeadline = absl::Seconds(90);

  ApiProvider(const ApiWorld& world, std::unique_ptr<ZoneApi> api)
      : world_(world), api_(std::move(api)) {}

  ProviderClass provider_class() const override { return api_->provider_class(); }
  absl::StatusOr<DomainName> FindZone(const DomainName& owner) override;
  absl::StatusOr<std::vector<DomainName>> ListZones() override;
  absl::StatusOr<RrSet> ReadRrSet(const DomainName& zone, const DomainName& owner) override;
  absl::Status Apply(const DomainName& zone, const RrSetChange& change) override;
  ProviderTest Test() override;

 private:
  // The one zone of that name. kNotFound; kFailedPrecondition where the account has several.
  absl::StatusOr<HostedZone> ZoneOf(ApiCall& call, const DomainName& name);
  absl::StatusOr<HostedRrSet> Read(ApiCall& call, const HostedZone& zone, const DomainName& owner);
  absl::Status CompareAndWrite(ApiCall& call, const HostedZone& zone, const RrSetChange& change,
                               bool& written);
  // Its records, all of them; kDataLoss where one cannot be read.
  absl::StatusOr<std::vector<TxtRecord>> ReadTexts(const HostedRrSet& rrset,
                                                   const DomainName& owner) const;
  // Of a host that publishes by a step of its own: where the records stand already, the call that
  // put them there may have ended before that.
  absl::Status PublishAgain(ApiCall& call, const HostedZone& zone);
  // As Apply and Test, in the host's words.
  absl::Status ApplyAsSaid(const DomainName& zone, const RrSetChange& change);
  ProviderTest TestAsSaid();
  // Whatever way the host's words took, no credential is in them.
  absl::Status Scrubbed(const absl::Status& status) const;
  absl::Status ReadBack(ApiCall& call, const HostedZone& zone, const RrSetChange& change);

  const ApiWorld world_;
  const std::unique_ptr<ZoneApi> api_;
  std::mutex mutex_;
  struct KnownZone {
    HostedZone zone;
    absl::Duration found;  // monotonic
  };
  // Found before; forgotten when the host says it is gone, and after ten minutes.
  std::map<DomainName, KnownZone> zones_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_API_API_PROVIDER_H_
