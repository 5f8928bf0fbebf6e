#include "policyd/service/provider_config.h"

#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"
#include "lib/rpc/errors.h"
#include "policyd/provider/hosted_types.h"
#include "policyd/provider/secret_source.h"
#include "policyd/service/convert.h"
#include "policyd/service/handler.h"
#include "policyd/service/names.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxSettingOctets = 1024;
constexpr int kMaxZones = 1000;
constexpr int kMaxSettings = 16;

absl::Status ReadPowerDns(const v1::PowerDnsConfig& config, DnsProviderRecord* record) {
  record->type = "powerdns";
  record->settings["api_url"] = config.api_url();
  if (!config.server_id().empty()) record->settings["server_id"] = config.server_id();
  record->secret_name = config.secret();
  if (config.api_url().empty()) return FieldRequired("dns_provider.powerdns.api_url");
  return absl::OkStatus();
}

absl::Status ReadZones(const google::protobuf::RepeatedPtrField<std::string>& zones,
                       std::string_view field, DnsProviderRecord* record) {
  if (zones.size() > kMaxZones) {
    return FieldError(field, fmt::format("{} zones, limit {}", zones.size(), kMaxZones));
  }
  for (const std::string& text : zones) {
    const auto zone = DomainName::Parse(text);
    if (!zone.ok() || zone->IsRoot()) {
      return FieldError(field,
                        zone.ok() ? "the root is no zone of yours" : MessageOf(zone.status()));
    }
    record->zones.push_back(zone->text());
  }
  return absl::OkStatus();
}

absl::Status ReadRfc2136(const v1::Rfc2136Config& config, DnsProviderRecord* record) {
  record->type = "rfc2136";
  record->settings["server"] = config.server();
  record->settings["key_name"] = config.key_name();
  if (!config.algorithm().empty()) record->settings["algorithm"] = config.algorithm();
  record->secret_name = config.secret();
  if (config.server().empty()) return FieldRequired("dns_provider.rfc2136.server");
  if (config.key_name().empty()) return FieldRequired("dns_provider.rfc2136.key_name");
  if (config.zones().empty()) return FieldRequired("dns_provider.rfc2136.zones");
  return ReadZones(config.zones(), "dns_provider.rfc2136.zones", record);
}

absl::Status ReadHosted(const v1::HostedConfig& config, DnsProviderRecord* record) {
  record->type = config.type();
  for (const auto& [key, value] : config.settings()) record->settings[key] = value;
  record->secret_name = config.secret();
  if (config.type().empty()) return FieldRequired("dns_provider.hosted.type");
  if (FindHostedType(config.type()) == nullptr) {
    std::vector<std::string> types = HostedTypeNames();
    types.insert(types.begin(), {"powerdns", "rfc2136", "exec", "manual"});
    const std::string near = Nearest(config.type(), types);
    return FieldError(
        "dns_provider.hosted.type",
        fmt::format("there is no \"{}\"{}; want one of {}",
                    EscapeForTerminal(config.type().substr(0, 63)),
                    near.empty() ? "" : fmt::format(", \"{}\"?", near), Join(types, ", ")));
  }
  if (config.settings_size() > kMaxSettings) {
    return FieldError("dns_provider.hosted.settings",
                      fmt::format("{} settings, limit {}", config.settings_size(), kMaxSettings));
  }
  return absl::OkStatus();
}

absl::Status ReadExec(const v1::ExecConfig& config, DnsProviderRecord* record) {
  record->type = "exec";
  record->settings["program"] = config.program();
  record->secret_name = config.secret();
  if (config.program().empty()) return FieldRequired("dns_provider.exec.program");
  if (config.provider_class() != v1::PROVIDER_CLASS_UNSPECIFIED) {
    record->settings["class"] =
        std::string(ToString(static_cast<ProviderClass>(config.provider_class())));
  }
  return absl::OkStatus();
}

absl::Status ReadManual(const v1::ManualConfig& config, DnsProviderRecord* record) {
  record->type = "manual";
  return ReadZones(config.zones(), "dns_provider.manual.zones", record);
}

}  // namespace

absl::Status ReadProviderConfig(const v1::DnsProvider& in, const ProviderFactory& providers,
                                DnsProviderRecord* record) {
  record->settings.clear();
  record->zones.clear();
  record->secret_name.clear();
  switch (in.config_case()) {
    case v1::DnsProvider::kPowerdns:
      DMARCATE_RETURN_IF_ERROR(ReadPowerDns(in.powerdns(), record));
      break;
    case v1::DnsProvider::kRfc2136:
      DMARCATE_RETURN_IF_ERROR(ReadRfc2136(in.rfc2136(), record));
      break;
    case v1::DnsProvider::kHosted:
      DMARCATE_RETURN_IF_ERROR(ReadHosted(in.hosted(), record));
      break;
    case v1::DnsProvider::kExec:
      DMARCATE_RETURN_IF_ERROR(ReadExec(in.exec(), record));
      break;
    case v1::DnsProvider::kManual:
      DMARCATE_RETURN_IF_ERROR(ReadManual(in.manual(), record));
      break;
    case v1::DnsProvider::CONFIG_NOT_SET:
      return FieldRequired("dns_provider.config");
  }
  for (const auto& [key, value] : record->settings) {
    if (value.size() > kMaxSettingOctets) {
      return FieldError(key, fmt::format("{} octets, limit {}", value.size(), kMaxSettingOctets));
    }
  }
  if (record->secret_name.empty() && SecretNeedOf(record->type) == SecretNeed::kRequired) {
    return FieldRequired("secret");
  }
  // What somebody puts there may be the secret itself: the value is never repeated.
  if (!record->secret_name.empty() && !ValidateSecretName(record->secret_name).ok()) {
    return ReasonError(Reason::kCredentialMalformed,
                       "secret: want the name of a secret of policyd's (letters, digits, '.', '_' "
                       "and '-'), not the secret itself",
                       {{"field", "secret"}});
  }
  const absl::Status valid = providers.Validate(*record);
  if (valid.ok()) return valid;
  if (valid.code() == absl::StatusCode::kPermissionDenied) {
    return ReasonError(Reason::kProviderCredential, MessageOf(valid), {{"field", "secret"}});
  }
  return FieldError("dns_provider", MessageOf(valid));
}

namespace {

std::string Setting(const DnsProviderRecord& record, const std::string& key) {
  const auto it = record.settings.find(key);
  return it == record.settings.end() ? std::string() : it->second;
}

}  // namespace

v1::DnsProvider ShowProvider(const DnsProviderRecord& record) {
  v1::DnsProvider out;
  out.set_name(ProviderResource(record.id));
  out.set_etag(MakeEtag(record.revision));
  *out.mutable_create_time() = ToTimestamp(record.create_time);
  if (const auto provider_class = ProviderClassOf(record); provider_class.ok()) {
    out.set_provider_class(static_cast<v1::ProviderClass>(*provider_class));  // numbered alike
  }
  if (record.type == "powerdns") {
    out.mutable_powerdns()->set_api_url(Setting(record, "api_url"));
    out.mutable_powerdns()->set_server_id(Setting(record, "server_id"));
    out.mutable_powerdns()->set_secret(record.secret_name);
  } else if (record.type == "rfc2136") {
    out.mutable_rfc2136()->set_server(Setting(record, "server"));
    out.mutable_rfc2136()->set_key_name(Setting(record, "key_name"));
    out.mutable_rfc2136()->set_algorithm(Setting(record, "algorithm"));
    out.mutable_rfc2136()->set_secret(record.secret_name);
    for (const std::string& zone : record.zones) out.mutable_rfc2136()->add_zones(zone);
  } else if (record.type == "exec") {
    out.mutable_exec()->set_program(Setting(record, "program"));
    out.mutable_exec()->set_provider_class(out.provider_class());
    out.mutable_exec()->set_secret(record.secret_name);
  } else if (record.type == "manual") {
    out.mutable_manual();
    for (const std::string& zone : record.zones) out.mutable_manual()->add_zones(zone);
  } else {
    out.mutable_hosted()->set_type(record.type);
    for (const auto& [key, value] : record.settings) {
      (*out.mutable_hosted()->mutable_settings())[key] = value;
    }
    out.mutable_hosted()->set_secret(record.secret_name);
  }
  return out;
}
static_assert(static_cast<int>(ProviderClass::kA) == v1::PROVIDER_CLASS_A &&
              static_cast<int>(ProviderClass::kD) == v1::PROVIDER_CLASS_D);

}  // namespace dmarcate
