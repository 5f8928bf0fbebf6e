#include "policyd/provider/hosted_types.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/azure/azure_api.h"
#include "policyd/provider/cloudflare/cloudflare_api.h"
#include "policyd/provider/desec/desec_api.h"
#include "policyd/provider/digitalocean/digitalocean_api.h"
#include "policyd/provider/dnsimple/dnsimple_api.h"
#include "policyd/provider/gandi/gandi_api.h"
#include "policyd/provider/googleclouddns/google_api.h"
#include "policyd/provider/hetzner/hetzner_api.h"
#include "policyd/provider/linode/linode_api.h"
#include "policyd/provider/ns1/ns1_api.h"
#include "policyd/provider/ovh/ovh_api.h"
#include "policyd/provider/porkbun/porkbun_api.h"
#include "policyd/provider/route53/route53_api.h"
#include "policyd/provider/vultr/vultr_api.h"

namespace dmarcate {
namespace {

constexpr auto kRequired = HostedSetting::Need::kRequired;
constexpr auto kOptional = HostedSetting::Need::kOptional;

absl::Status BadSetting(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, what);
}

}  // namespace

const std::vector<HostedType>& HostedTypes() {
  static const auto& kTypes = *new std::vector<HostedType>{
      {"cloudflare", ProviderClass::kB, "an API token", {}, &OpenCloudflare},
      {"route53",
       ProviderClass::kA,
       "the lines of one profile of an AWS credentials file",
       {{"partition", kOptional, "aws (default), aws-cn or aws-us-gov"}},
       &OpenRoute53},
      {"googleclouddns",
       ProviderClass::kA,
       "a service account's key file (JSON)",
       {{"project", kOptional, "the project's id; by default the key file's"}},
       &OpenGoogleCloudDns},
      {"azuredns",
       ProviderClass::kA,
       "a client secret of the app registration",
       {{"tenant_id", kRequired, "the directory's id"},
        {"client_id", kRequired, "the app registration's id"},
        {"subscription_id", kRequired, "the subscription that the zones are in"},
        {"resource_group", kOptional, "only the zones of this group"},
        {"cloud", kOptional, "public (default), china or usgovernment"}},
       &OpenAzureDns},
      {"digitalocean", ProviderClass::kB, "an API token", {}, &OpenDigitalOcean},
      {"hetzner", ProviderClass::kC, "an API token of the project", {}, &OpenHetzner},
      {"desec", ProviderClass::kC, "a token", {}, &OpenDesec},
      {"gandi", ProviderClass::kC, "a personal access token", {}, &OpenGandi},
      {"linode", ProviderClass::kB, "a personal access token", {}, &OpenLinode},
      {"dnsimple",
       ProviderClass::kB,
       "an access token",
       {{"account", kOptional, "the number of the account; by default the one of the token"},
        {"environment", kOptional, "production (default) or sandbox"}},
       &OpenDnsimple},
      {"vultr", ProviderClass::kB, "an API key", {}, &OpenVultr},
      {"ns1", ProviderClass::kC, "an API key", {}, &OpenNs1},
      {"porkbun",
       ProviderClass::kB,
       "two lines: apikey = ..., secretapikey = ...",
       {},
       &OpenPorkbun},
      {"ovh",
       ProviderClass::kB,
       "three lines: application_key, application_secret, consumer_key",
       {{"endpoint", kOptional, "eu (default), ca or us"}},
       &OpenOvh},
  };
  return kTypes;
}

std::vector<std::string> HostedTypeNames() {
  std::vector<std::string> names;
  for (const HostedType& type : HostedTypes()) names.emplace_back(type.name);
  return names;
}

const HostedType* FindHostedType(std::string_view name) {
  const auto found = std::ranges::find(HostedTypes(), name, &HostedType::name);
  return found == HostedTypes().end() ? nullptr : &*found;
}

absl::Status ValidateHosted(const HostedType& type, const HostedSettings& settings) {
  std::vector<std::string> known;
  for (const HostedSetting& setting : type.settings) {
    known.emplace_back(setting.name);
    const auto given = settings.find(known.back());
    const bool missing = given == settings.end() || given->second.empty();
    if (setting.need == HostedSetting::Need::kRequired && missing) {
      return BadSetting(fmt::format("{}: is wanted: {}", setting.name, setting.help));
    }
  }
  for (const auto& [key, value] : settings) {
    if (std::ranges::find(known, key) != known.end()) continue;
    return BadSetting(fmt::format("{}: {} has no such setting; it has {}", EscapeForTerminal(key),
                                  type.name, known.empty() ? "none" : Join(known, ", ")));
  }
  return type.open(settings, Secret()).status();
}

}  // namespace dmarcate
