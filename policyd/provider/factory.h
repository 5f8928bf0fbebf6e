// policyd/provider/factory.h
// From a stored account to a DnsProvider that can be asked. The only place that knows all hosts.

#ifndef DMARCATE_POLICYD_PROVIDER_FACTORY_H_
#define DMARCATE_POLICYD_PROVIDER_FACTORY_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/http/transport.h"
#include "lib/store/policy_store.h"
#include "policyd/provider/api/call.h"
#include "policyd/provider/api/pace.h"
#include "policyd/provider/provider.h"
#include "policyd/provider/secret_source.h"

namespace dmarcate {

// Thread-safe.
class ProviderFactory {
 public:
  virtual ~ProviderFactory() = default;
  //   kInvalidArgument  type or settings make no sense; the message names the setting
  //   otherwise         the secret could not be read, as SecretSource::Read
  virtual absl::StatusOr<std::shared_ptr<DnsProvider>> Open(const DnsProviderRecord& record) = 0;
};

// Opens a provider anew each time (they hold no connection), so a replaced secret counts at once.
// All openings of one account share its pace (api/pace.h).
//
//   type      settings
//   powerdns  api_url ("http://127.0.0.1:8081"), server_id (default "localhost")
//   rfc2136   server ("192.0.2.53:53"), key_name, algorithm (default "hmac-sha256"); zones
//   and those of hosted_types.h, with their secrets (docs/providers.md):
//   cloudflare      -; secret: an API token
//   route53         partition; secret: a profile of an AWS credentials file
//   googleclouddns  project; secret: a service account's key file
//   azuredns        tenant_id, client_id, subscription_id, resource_group, cloud; secret: a client
//                   secret
//   digitalocean    -; secret: an API token
//   hetzner, gandi, linode, vultr, ns1
//                   -; secret: a token or an API key
//   desec           api_url; secret: a token
//   dnsimple        account, environment; secret: an access token
//   porkbun         -; secret: lines apikey, secretapikey
//   ovh             endpoint; secret: lines application_key, application_secret, consumer_key
class RealProviderFactory final : public ProviderFactory {
 public:
  // Both must outlive the factory and every provider that it opened.
  RealProviderFactory(HttpTransport& http, SecretSource& secrets);
  // With another time than the system's.
  RealProviderFactory(ApiWorld world, SecretSource& secrets)
      : world_(std::move(world)), secrets_(secrets) {}
  absl::StatusOr<std::shared_ptr<DnsProvider>> Open(const DnsProviderRecord& record) override;

 private:
  std::shared_ptr<AccountPace> PaceOf(const DnsProviderRecord& record);

  const ApiWorld world_;
  SecretSource& secrets_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<AccountPace>> paces_;  // by account
};

// What Open would say about the settings, without reading the secret: for CreateDnsProvider.
absl::Status ValidateProvider(const DnsProviderRecord& record);
// All types, in the order in which they are shown.
std::vector<std::string> ProviderTypes();
// The class that every account of this type has; kInvalidArgument for an unknown type.
absl::StatusOr<ProviderClass> ProviderClassOf(std::string_view type);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_FACTORY_H_
