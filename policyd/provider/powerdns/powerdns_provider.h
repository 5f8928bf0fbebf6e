// policyd/provider/powerdns/powerdns_provider.h
// PowerDNS Authoritative 4.x and 5.x by its HTTP API: class C, whole RRsets without a precondition.
// So every write reads, compares, replaces and reads back; a foreign write within those
// milliseconds would be lost, and the plan says that the class is C. Facts: reference/providers.md
// section 7.

#ifndef DMARCATE_POLICYD_PROVIDER_POWERDNS_POWERDNS_PROVIDER_H_
#define DMARCATE_POLICYD_PROVIDER_POWERDNS_POWERDNS_PROVIDER_H_

#include <string>
#include <string_view>
#include <vector>

#include "lib/base/secret.h"
#include "lib/http/transport.h"
#include "policyd/provider/powerdns/api_message.h"
#include "policyd/provider/powerdns/api_url.h"
#include "policyd/provider/provider.h"

namespace dmarcate {

class PowerDnsProvider final : public DnsProvider {
 public:
  // `http` outlives the provider. The key goes into the header X-API-Key and nowhere else.
  PowerDnsProvider(HttpTransport& http, PowerDnsEndpoint endpoint, Secret api_key)
      : http_(http), endpoint_(std::move(endpoint)), api_key_(std::move(api_key)) {}

  ProviderClass provider_class() const override { return ProviderClass::kC; }
  absl::StatusOr<DomainName> FindZone(const DomainName& owner) override;
  absl::StatusOr<std::vector<DomainName>> ListZones() override;
  absl::StatusOr<RrSet> ReadRrSet(const DomainName& zone, const DomainName& owner) override;
  absl::Status Apply(const DomainName& zone, const RrSetChange& change) override;
  ProviderTest Test() override;

 private:
  // What the server says is wrong, without the key.
  absl::Status Error(const HttpResponse& response, HttpAccess access) const;
  absl::StatusOr<std::string> Get(std::string_view path_and_query);
  absl::StatusOr<PowerDnsZone> GetZone(const DomainName& zone, const DomainName& owner);
  absl::Status Patch(const DomainName& zone, std::string body);
  HttpRequest MakeRequest(std::string_view method, std::string_view path_and_query) const;

  HttpTransport& http_;
  const PowerDnsEndpoint endpoint_;
  const Secret api_key_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_POWERDNS_POWERDNS_PROVIDER_H_
