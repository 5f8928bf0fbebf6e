#include "policyd/service/provider_service.h"

#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "dmarcate/v1/provider.grpc.pb.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/mailauth/domain_name.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/server_stream.h"
#include "lib/rpc/unary.h"
#include "policyd/provider/hosted_types.h"
#include "policyd/provider/secret_source.h"
#include "policyd/service/convert.h"
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

absl::Status ReadConfig(const v1::DnsProvider& in, const ProviderFactory& providers,
                        DnsProviderRecord* record) {
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

std::string Setting(const DnsProviderRecord& record, const std::string& key) {
  const auto it = record.settings.find(key);
  return it == record.settings.end() ? std::string() : it->second;
}

v1::DnsProvider Show(const DnsProviderRecord& record) {
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

v1::DnsProviderTestResult ToMessage(const ProviderTest& test, ProviderClass provider_class) {
  v1::DnsProviderTestResult out;
  out.set_state(static_cast<v1::DnsProviderTestResult::State>(test.state));  // numbered alike
  out.set_message(test.message);
  for (const DomainName& zone : test.zones) out.add_zones(zone.text());
  for (const std::string& warning : test.warnings) out.add_warnings(warning);
  out.set_provider_class(static_cast<v1::ProviderClass>(provider_class));
  return out;
}
static_assert(static_cast<int>(ProviderTest::State::kWorking) ==
                  v1::DnsProviderTestResult::STATE_WORKING &&
              static_cast<int>(ProviderTest::State::kMisconfigured) ==
                  v1::DnsProviderTestResult::STATE_MISCONFIGURED);

class ProviderServiceImpl final : public v1::ProviderService::CallbackService {
 public:
  ProviderServiceImpl(const ServiceParts& parts, ProviderFactory& providers)
      : parts_(parts), providers_(providers) {}

  grpc::ServerUnaryReactor* ListDnsProviders(grpc::CallbackServerContext* context,
                                             const v1::ListDnsProvidersRequest* request,
                                             v1::ListDnsProvidersResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(List(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* GetDnsProvider(grpc::CallbackServerContext* context,
                                           const v1::GetDnsProviderRequest* request,
                                           v1::GetDnsProviderResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return ToGrpc(Get(in, out)); });
  }
  grpc::ServerUnaryReactor* CreateDnsProvider(grpc::CallbackServerContext* context,
                                              const v1::CreateDnsProviderRequest* request,
                                              v1::CreateDnsProviderResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "CreateDnsProvider", in, out,
                                             [&] { return Create(call, in, out); }));
                      });
  }
  grpc::ServerWriteReactor<v1::TestDnsProviderResponse>* TestDnsProvider(
      grpc::CallbackServerContext* context, const v1::TestDnsProviderRequest* request) override {
    return ServeStream<v1::TestDnsProviderRequest, v1::TestDnsProviderResponse>(
        parts_.host, context, request,
        [this](const Call&, const auto& in, auto& writer) { return ToGrpc(Test(in, writer)); });
  }

 private:
  absl::Status List(const Call& call, const v1::ListDnsProvidersRequest& in,
                    v1::ListDnsProvidersResponse* out);
  absl::Status Get(const v1::GetDnsProviderRequest& in, v1::GetDnsProviderResponse* out);
  absl::Status Create(const Call& call, const v1::CreateDnsProviderRequest& in,
                      v1::CreateDnsProviderResponse* out);
  absl::Status Test(const v1::TestDnsProviderRequest& in,
                    StreamWriter<v1::TestDnsProviderResponse>& writer);
  absl::StatusOr<DnsProviderRecord> Find(const std::string& name);

  const ServiceParts& parts_;
  ProviderFactory& providers_;
};

absl::StatusOr<DnsProviderRecord> ProviderServiceImpl::Find(const std::string& name) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string id, ParseProviderResource(name, "name"));
  absl::StatusOr<DnsProviderRecord> record = parts_.policies.GetProvider(id);
  if (record.status().code() == absl::StatusCode::kNotFound) return NotFound(name);
  return record;
}

absl::Status ProviderServiceImpl::List(const Call& call, const v1::ListDnsProvidersRequest& in,
                                       v1::ListDnsProvidersResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListDnsProviders", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::string after, parts_.pages.Read(scope, in.page_token()));
  DMARCATE_ASSIGN_OR_RETURN(std::vector<DnsProviderRecord> records,
                            parts_.policies.ListProviders(after, page_size + 1));
  const bool more = records.size() > page_size;
  if (more) records.resize(page_size);
  for (const DnsProviderRecord& record : records) *out->add_dns_providers() = Show(record);
  if (more) out->set_next_page_token(parts_.pages.Make(scope, records.back().id));
  return absl::OkStatus();
}

absl::Status ProviderServiceImpl::Get(const v1::GetDnsProviderRequest& in,
                                      v1::GetDnsProviderResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DnsProviderRecord record, Find(in.name()));
  *out->mutable_dns_provider() = Show(record);
  return absl::OkStatus();
}

absl::Status ProviderServiceImpl::Create(const Call& call, const v1::CreateDnsProviderRequest& in,
                                         v1::CreateDnsProviderResponse* out) {
  if (in.dns_provider_id().empty()) return FieldRequired("dns_provider_id");
  if (!IsChosenId(in.dns_provider_id())) {
    return FieldError("dns_provider_id", "want 1 to 63 of a-z, 0-9 and '-', no '-' at an end");
  }
  DnsProviderRecord record;
  record.id = in.dns_provider_id();
  record.create_time = parts_.clock.Now();
  DMARCATE_RETURN_IF_ERROR(ReadConfig(in.dns_provider(), providers_, &record));
  const auto exists = [&record] {
    return ReasonError(Reason::kResourceExists,
                       fmt::format("{} is there already", ProviderResource(record.id)),
                       {{"resource", ProviderResource(record.id)}});
  };
  const absl::Status known = parts_.policies.GetProvider(record.id).status();
  if (known.ok()) return exists();
  if (known.code() != absl::StatusCode::kNotFound) return known;
  if (in.validate_only()) {
    record.revision = 1;
  } else {
    absl::StatusOr<DnsProviderRecord> stored = parts_.policies.PutProvider(record);
    if (stored.status().code() == absl::StatusCode::kAlreadyExists) return exists();
    DMARCATE_ASSIGN_OR_RETURN(record, std::move(stored));
    LogInfo("dns_provider_created",
            {{"provider", record.id}, {"type", record.type}, {"by", call.principal().name}});
  }
  *out->mutable_dns_provider() = Show(record);
  return absl::OkStatus();
}

absl::Status ProviderServiceImpl::Test(const v1::TestDnsProviderRequest& in,
                                       StreamWriter<v1::TestDnsProviderResponse>& writer) {
  DMARCATE_ASSIGN_OR_RETURN(const DnsProviderRecord record, Find(in.name()));
  v1::TestDnsProviderResponse response;
  if (!record.secret_name.empty()) {
    response.set_progress(fmt::format("reading the secret {}", record.secret_name));
    if (!writer.Write(response)) return absl::OkStatus();
  }
  const absl::StatusOr<std::shared_ptr<DnsProvider>> provider = providers_.Open(record);
  if (!provider.ok()) {
    // A result, not a failure of the call: it says what to do.
    response.mutable_result()->set_state(v1::DnsProviderTestResult::STATE_MISCONFIGURED);
    response.mutable_result()->set_message(std::string(MessageOf(provider.status())));
    writer.Write(response);
    return absl::OkStatus();
  }
  response.set_progress("asking the host what the credential may do");
  if (!writer.Write(response)) return absl::OkStatus();
  *response.mutable_result() = ToMessage((*provider)->Test(), (*provider)->provider_class());
  writer.Write(response);
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<grpc::Service> MakeProviderService(const ServiceParts& parts,
                                                   ProviderFactory& providers) {
  return std::make_unique<ProviderServiceImpl>(parts, providers);
}

}  // namespace dmarcate
