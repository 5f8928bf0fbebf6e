// policyd/provider/factory.h
// From a stored account to a DnsProvider that can be asked. The only place that knows all hosts.

#ifndef DMARCATE_POLICYD_PROVIDER_FACTORY_H_
#define DMARCATE_POLICYD_PROVIDER_FACTORY_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/dns/resolver.h"
#include "lib/http/transport.h"
#include "lib/store/policy_store.h"
#include "policyd/provider/api/call.h"
#include "policyd/provider/api/pace.h"
#include "policyd/provider/exec/exec_provider.h"
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
  // What Open would say without reading the secret: for CreateDnsProvider.
  virtual absl::Status Validate(const DnsProviderRecord& record) const;
  // Lets go of what is kept of an account that was removed, its secret and its pace. Who uses it at
  // this moment goes on.
  virtual void Forget(const DnsProviderRecord& record);
};

// What some types need beside HTTP and a secret.
struct ProviderExtras {
  ExecPrograms programs = {};                // for exec
  AuthoritativeResolver* servers = nullptr;  // for manual
};

// The secret is read each time, so a replaced one counts at once. With the same type, settings and
// secret it opens the same provider again, so that tokens and what is known of zones are kept for
// all who use one account; the last kMaxOpen of them. All openings of one account share its pace
// (api/pace.h), also where the secret was replaced.
//
//   type      settings
//   powerdns  api_url ("http://127.0.0.1:8081"), server_id (default "localhost")
//   rfc2136   server ("192.0.2.53:53"), key_name, algorithm (default "hmac-sha256"); zones
//   exec      program (its name in the configuration), class (default "C"); secret: if it needs one
//   manual    zones, or none for every one; no secret
//   and those of hosted_types.h, with their secrets (docs/providers.md):
//   cloudflare      -; secret: an API token
//   route53         partition; secret: a profile of an AWS credentials file
//   googleclouddns  project; secret: a service account's key file
//   azuredns        tenant_id, client_id, subscription_id, resource_group, cloud; secret: a client
//                   secret
//   digitalocean    -; secret: an API token
//   hetzner, gandi, desec, linode, vultr, ns1
//                   -; secret: a token or an API key
//   dnsimple        account, environment; secret: an access token
//   porkbun         -; secret: lines apikey, secretapikey
//   ovh             endpoint; secret: lines application_key, application_secret, consumer_key
class RealProviderFactory final : public ProviderFactory {
 public:
  static constexpr size_t kMaxOpen = 1000;

  // All must outlive the factory and every provider that it opened.
  RealProviderFactory(HttpTransport& http, SecretSource& secrets, ProviderExtras extras = {});
  // With another time than the system's.
  RealProviderFactory(ApiWorld world, SecretSource& secrets, ProviderExtras extras = {})
      : world_(std::move(world)), secrets_(secrets), extras_(std::move(extras)) {}
  absl::StatusOr<std::shared_ptr<DnsProvider>> Open(const DnsProviderRecord& record) override;
  absl::Status Validate(const DnsProviderRecord& record) const override;
  // Another account with the same type, settings and secret is opened anew with its next use.
  void Forget(const DnsProviderRecord& record) override;

 private:
  absl::StatusOr<std::shared_ptr<DnsProvider>> OpenAnew(const DnsProviderRecord& record,
                                                        Secret secret);
  std::shared_ptr<AccountPace> PaceOf(const DnsProviderRecord& record);

  const ApiWorld world_;
  SecretSource& secrets_;
  const ProviderExtras extras_;
  std::mutex mutex_;
  struct Opened {
    std::string secret_digest;  // another one: the secret was replaced
    std::shared_ptr<DnsProvider> provider;
  };
  // By type, settings and the name of the secret; their keys, the oldest first, in `order_`.
  std::map<std::string, Opened> open_;
  std::deque<std::string> order_;
  std::map<std::string, std::shared_ptr<AccountPace>> paces_;  // by account
};

// The type and its settings alone: not whether the secret or the program is there.
absl::Status ValidateProvider(const DnsProviderRecord& record);
// Whether accounts of this type name a secret.
enum class SecretNeed : uint8_t { kRequired, kOptional, kNone };
SecretNeed SecretNeedOf(std::string_view type);
// All types, in the order in which they are shown.
std::vector<std::string> ProviderTypes();
// The class of an account: that of its type or, of exec, its own; kInvalidArgument for an unknown
// type.
absl::StatusOr<ProviderClass> ProviderClassOf(const DnsProviderRecord& record);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_FACTORY_H_
