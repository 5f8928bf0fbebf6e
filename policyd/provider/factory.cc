#include "policyd/provider/factory.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/clock.h"

#include "lib/base/clock.h"
#include "lib/base/status_macros.h"
#include "lib/dns/config.h"
#include "lib/dns/update.h"
#include "policyd/provider/api/api_provider.h"
#include "policyd/provider/hosted_types.h"
#include "policyd/provider/powerdns/api_url.h"
#include "policyd/provider/powerdns/powerdns_provider.h"
#include "policyd/provider/rfc2136/rfc2136_provider.h"

namespace dmarcate {
namespace {

constexpr std::string_view kPowerDns = "powerdns";
constexpr std::string_view kRfc2136 = "rfc2136";
constexpr size_t kMaxZones = 10'000;

std::string Setting(const DnsProviderRecord& record, const std::string& key) {
  const auto found = record.settings.find(key);
  return found == record.settings.end() ? "" : found->second;
}

absl::Status UnknownType(std::string_view type) {
  return MakeError(absl::StatusCode::kInvalidArgument,
                   fmt::format("type \"{}\" is none of {}", EscapeForTerminal(type),
                               Join(ProviderTypes(), ", ")));
}

absl::StatusOr<PowerDnsEndpoint> EndpointOf(const DnsProviderRecord& record) {
  return ParsePowerDnsEndpoint(Setting(record, "api_url"), Setting(record, "server_id"));
}

struct Rfc2136Settings {
  ServerAddress server;
  std::string key_name, algorithm;
  std::vector<DomainName> zones;
};

absl::StatusOr<Rfc2136Settings> Rfc2136SettingsOf(const DnsProviderRecord& record) {
  Rfc2136Settings settings;
  const absl::StatusOr<ServerAddress> server = ParseServerAddress(Setting(record, "server"));
  if (!server.ok()) return Annotate(server.status(), "server");
  settings.server = *server;
  settings.key_name = Setting(record, "key_name");
  const absl::StatusOr<DomainName> name = DomainName::Parse(settings.key_name);
  if (!name.ok()) return Annotate(name.status(), "key_name");
  settings.algorithm = Setting(record, "algorithm");
  if (settings.algorithm.empty()) settings.algorithm = "hmac-sha256";
  const auto algorithm = ParseTsigAlgorithm(settings.algorithm);
  if (!algorithm.ok()) return Annotate(algorithm.status(), "algorithm");
  if (record.zones.empty() || record.zones.size() > kMaxZones) {
    return MakeError(
        absl::StatusCode::kInvalidArgument,
        fmt::format("zones: 1 to {} zones that the key may update are wanted", kMaxZones));
  }
  for (const std::string& text : record.zones) {
    absl::StatusOr<DomainName> zone = DomainName::Parse(text);
    if (!zone.ok()) return Annotate(zone.status(), "zones");
    settings.zones.push_back(*std::move(zone));
  }
  return settings;
}

const Clock& SystemClockOnce() {
  static const SystemClock clock;
  return clock;
}

}  // namespace

std::vector<std::string> ProviderTypes() {
  std::vector<std::string> types{std::string(kPowerDns), std::string(kRfc2136)};
  for (std::string& name : HostedTypeNames()) types.push_back(std::move(name));
  return types;
}

absl::StatusOr<ProviderClass> ProviderClassOf(std::string_view type) {
  if (type == kPowerDns) return ProviderClass::kC;
  if (type == kRfc2136) return ProviderClass::kA;
  if (const HostedType* hosted = FindHostedType(type)) return hosted->provider_class;
  return UnknownType(type);
}

absl::Status ValidateProvider(const DnsProviderRecord& record) {
  DMARCATE_RETURN_IF_ERROR(ValidateSecretName(record.secret_name));
  if (record.type == kPowerDns) return EndpointOf(record).status();
  if (record.type == kRfc2136) return Rfc2136SettingsOf(record).status();
  if (const HostedType* hosted = FindHostedType(record.type)) {
    return ValidateHosted(*hosted, record.settings);
  }
  return UnknownType(record.type);
}

RealProviderFactory::RealProviderFactory(HttpTransport& http, SecretSource& secrets)
    : RealProviderFactory({http, SystemClockOnce(), [](absl::Duration d) { absl::SleepFor(d); }},
                          secrets) {}

std::shared_ptr<AccountPace> RealProviderFactory::PaceOf(const DnsProviderRecord& record) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<AccountPace>& pace = paces_[record.id];
  if (pace == nullptr) pace = std::make_shared<AccountPace>(DocumentedRate(record.type));
  return pace;
}

absl::StatusOr<std::shared_ptr<DnsProvider>> RealProviderFactory::Open(
    const DnsProviderRecord& record) {
  DMARCATE_RETURN_IF_ERROR(ValidateProvider(record));
  DMARCATE_ASSIGN_OR_RETURN(Secret secret, secrets_.Read(record.secret_name));
  if (record.type == kPowerDns) {
    DMARCATE_ASSIGN_OR_RETURN(PowerDnsEndpoint endpoint, EndpointOf(record));
    return std::make_shared<PowerDnsProvider>(world_.http, std::move(endpoint), std::move(secret));
  }
  if (const HostedType* hosted = FindHostedType(record.type)) {
    DMARCATE_ASSIGN_OR_RETURN(std::unique_ptr<ZoneApi> api,
                              hosted->open(record.settings, std::move(secret)));
    ApiWorld world = world_;
    world.pace = PaceOf(record);
    return std::make_shared<ApiProvider>(world, std::move(api));
  }
  DMARCATE_ASSIGN_OR_RETURN(Rfc2136Settings settings, Rfc2136SettingsOf(record));
  DMARCATE_ASSIGN_OR_RETURN(TsigKey key,
                            MakeTsigKey(settings.key_name, settings.algorithm, std::move(secret)));
  return std::make_shared<Rfc2136Provider>(settings.server, std::move(key),
                                           std::move(settings.zones));
}

}  // namespace dmarcate
