#include "policyd/provider/factory.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/clock.h"

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/dns/config.h"
#include "lib/dns/update.h"
#include "policyd/provider/api/api_provider.h"
#include "policyd/provider/hosted_types.h"
#include "policyd/provider/manual/manual_provider.h"
#include "policyd/provider/powerdns/api_url.h"
#include "policyd/provider/powerdns/powerdns_provider.h"
#include "policyd/provider/rfc2136/rfc2136_provider.h"

namespace dmarcate {
namespace {

constexpr std::string_view kPowerDns = "powerdns";
constexpr std::string_view kRfc2136 = "rfc2136";
constexpr std::string_view kExec = "exec";
constexpr std::string_view kManual = "manual";
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

absl::StatusOr<std::vector<DomainName>> ZonesOf(const DnsProviderRecord& record) {
  std::vector<DomainName> zones;
  for (const std::string& text : record.zones) {
    absl::StatusOr<DomainName> zone = DomainName::Parse(text);
    if (!zone.ok()) return Annotate(zone.status(), "zones");
    zones.push_back(*std::move(zone));
  }
  return zones;
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
  DMARCATE_ASSIGN_OR_RETURN(settings.zones, ZonesOf(record));
  return settings;
}

struct ExecSettings {
  std::string program;
  ProviderClass provider_class = ProviderClass::kC;
};

absl::StatusOr<ExecSettings> ExecSettingsOf(const DnsProviderRecord& record) {
  for (const auto& [key, value] : record.settings) {
    if (key == "program" || key == "class") continue;
    return MakeError(
        absl::StatusCode::kInvalidArgument,
        fmt::format("{}: exec has no such setting; it has program, class", EscapeForTerminal(key)));
  }
  ExecSettings settings{Setting(record, "program")};
  if (settings.program.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "program: is wanted: the name of a [[program]] of policyd's configuration");
  }
  if (const std::string text = Setting(record, "class"); !text.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(settings.provider_class, ParseProviderClass(text));
  }
  return settings;
}

// What the account would have done with its secret.
absl::StatusOr<SecretUse> SecretUseOf(const DnsProviderRecord& record) {
  if (record.type == kPowerDns) {
    DMARCATE_ASSIGN_OR_RETURN(const PowerDnsEndpoint endpoint, EndpointOf(record));
    return SecretUse{record.type, endpoint.origin, !endpoint.local};
  }
  if (record.type == kExec) return SecretUse{record.type, Setting(record, "program")};
  return SecretUse{record.type};
}

// What an account is, but for what its secret says.
std::string KeyOf(const DnsProviderRecord& record) {
  std::string key;
  const auto add = [&key](std::string_view text) {
    key += fmt::format("{}:", text.size());
    key += text;
  };
  add(record.type);
  add(record.secret_name);
  for (const auto& [name, value] : record.settings) {
    add(name);
    add(value);
  }
  add("");
  for (const std::string& zone : record.zones) add(zone);
  return key;
}

const Clock& SystemClockOnce() {
  static const SystemClock clock;
  return clock;
}

}  // namespace

std::vector<std::string> ProviderTypes() {
  std::vector<std::string> types{std::string(kPowerDns), std::string(kRfc2136)};
  for (std::string& name : HostedTypeNames()) types.push_back(std::move(name));
  types.emplace_back(kExec);
  types.emplace_back(kManual);
  return types;
}

absl::StatusOr<ProviderClass> ProviderClassOf(const DnsProviderRecord& record) {
  if (record.type == kPowerDns || record.type == kManual) return ProviderClass::kC;
  if (record.type == kRfc2136) return ProviderClass::kA;
  if (record.type == kExec) {
    DMARCATE_ASSIGN_OR_RETURN(const ExecSettings settings, ExecSettingsOf(record));
    return settings.provider_class;
  }
  if (const HostedType* hosted = FindHostedType(record.type)) return hosted->provider_class;
  return UnknownType(record.type);
}

SecretNeed SecretNeedOf(std::string_view type) {
  if (type == kManual) return SecretNeed::kNone;
  return type == kExec ? SecretNeed::kOptional : SecretNeed::kRequired;
}

absl::Status ValidateProvider(const DnsProviderRecord& record) {
  const SecretNeed need = SecretNeedOf(record.type);
  if (need == SecretNeed::kNone && !record.secret_name.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("secret: {} takes none", record.type));
  }
  if (need == SecretNeed::kRequired || !record.secret_name.empty()) {
    DMARCATE_RETURN_IF_ERROR(ValidateSecretName(record.secret_name));
  }
  if (record.type == kPowerDns) return EndpointOf(record).status();
  if (record.type == kRfc2136) return Rfc2136SettingsOf(record).status();
  if (record.type == kExec) return ExecSettingsOf(record).status();
  if (record.type == kManual) return ZonesOf(record).status();
  if (const HostedType* hosted = FindHostedType(record.type)) {
    return ValidateHosted(*hosted, record.settings);
  }
  return UnknownType(record.type);
}

void ProviderFactory::Forget(const DnsProviderRecord&) {}

absl::Status ProviderFactory::Validate(const DnsProviderRecord& record) const {
  return ValidateProvider(record);
}

RealProviderFactory::RealProviderFactory(HttpTransport& http, SecretSource& secrets,
                                         ProviderExtras extras)
    : RealProviderFactory({http, SystemClockOnce(), [](absl::Duration d) { absl::SleepFor(d); }},
                          secrets, std::move(extras)) {}

absl::Status RealProviderFactory::Validate(const DnsProviderRecord& record) const {
  DMARCATE_RETURN_IF_ERROR(ValidateProvider(record));
  if (record.type == kExec && !extras_.programs.contains(Setting(record, "program"))) {
    std::vector<std::string> names;
    for (const auto& [name, program] : extras_.programs) names.push_back(name);
    return MakeError(
        absl::StatusCode::kInvalidArgument,
        fmt::format("program: \"{}\" is not in the configuration of policyd, which has "
                    "{}",
                    EscapeForTerminal(Setting(record, "program")),
                    names.empty() ? "no [[program]]" : Join(names, ", ")));
  }
  if (record.secret_name.empty()) return absl::OkStatus();
  DMARCATE_ASSIGN_OR_RETURN(const SecretUse use, SecretUseOf(record));
  return secrets_.CheckUse(record.secret_name, use);
}

std::shared_ptr<AccountPace> RealProviderFactory::PaceOf(const DnsProviderRecord& record) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<AccountPace>& pace = paces_[record.id];
  if (pace == nullptr) pace = std::make_shared<AccountPace>(DocumentedRate(record.type));
  return pace;
}

absl::StatusOr<std::shared_ptr<DnsProvider>> RealProviderFactory::Open(
    const DnsProviderRecord& record) {
  DMARCATE_RETURN_IF_ERROR(Validate(record));
  Secret secret;
  if (!record.secret_name.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(secret, secrets_.Read(record.secret_name));
  }
  const std::string key = KeyOf(record);
  const std::string digest = Sha256(secret.Reveal());
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = open_.find(key);
        found != open_.end() && found->second.secret_digest == digest) {
      return found->second.provider;
    }
  }
  DMARCATE_ASSIGN_OR_RETURN(std::shared_ptr<DnsProvider> provider,
                            OpenAnew(record, std::move(secret)));
  const std::lock_guard lock(mutex_);
  const auto [at, fresh] = open_.try_emplace(key);
  // Another thread may have been quicker.
  if (fresh || at->second.secret_digest != digest) at->second = {digest, std::move(provider)};
  std::shared_ptr<DnsProvider> opened = at->second.provider;
  if (fresh) order_.push_back(key);
  if (order_.size() > kMaxOpen) {
    open_.erase(order_.front());
    order_.pop_front();
  }
  return opened;
}

void RealProviderFactory::Forget(const DnsProviderRecord& record) {
  const std::string key = KeyOf(record);
  std::shared_ptr<DnsProvider> last;  // ends without the lock
  const std::lock_guard lock(mutex_);
  // One of the same name may be of a host with other limits.
  paces_.erase(record.id);
  const auto found = open_.find(key);
  if (found == open_.end()) return;
  last = std::move(found->second.provider);
  open_.erase(found);
  std::erase(order_, key);
}

absl::StatusOr<std::shared_ptr<DnsProvider>> RealProviderFactory::OpenAnew(
    const DnsProviderRecord& record, Secret secret) {
  if (record.type == kPowerDns) {
    DMARCATE_ASSIGN_OR_RETURN(PowerDnsEndpoint endpoint, EndpointOf(record));
    return std::make_shared<PowerDnsProvider>(world_.http, std::move(endpoint), std::move(secret));
  }
  if (record.type == kExec) {
    DMARCATE_ASSIGN_OR_RETURN(const ExecSettings settings, ExecSettingsOf(record));
    return std::make_shared<ExecProvider>(settings.program, extras_.programs.at(settings.program),
                                          settings.provider_class, std::move(secret));
  }
  if (record.type == kManual) {
    if (extras_.servers == nullptr) {
      return MakeError(absl::StatusCode::kFailedPrecondition, "manual: there is no DNS to watch");
    }
    DMARCATE_ASSIGN_OR_RETURN(std::vector<DomainName> zones, ZonesOf(record));
    return std::make_shared<ManualProvider>(*extras_.servers, std::move(zones));
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
