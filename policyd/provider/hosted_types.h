// policyd/provider/hosted_types.h
// The DNS hosts that are reached by an HTTP API of their own: what each is called, what it
// promises, which settings it takes. One entry a host, in hosted_types.cc;
// policyd/provider/api/zone_api.h says how a host is added.

#ifndef DMARCATE_POLICYD_PROVIDER_HOSTED_TYPES_H_
#define DMARCATE_POLICYD_PROVIDER_HOSTED_TYPES_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/base/secret.h"
#include "policyd/provider/api/zone_api.h"
#include "policyd/provider/provider.h"

namespace dmarcate {

struct HostedSetting {
  std::string_view name;  // "project"
  enum class Need : uint8_t { kRequired, kOptional } need;
  std::string_view help;  // "the project's id"
};

using HostedSettings = std::map<std::string, std::string>;

struct HostedType {
  std::string_view name;  // "cloudflare"
  ProviderClass provider_class;
  std::string_view secret_help;  // what the secret's file holds: "an API token"
  std::vector<HostedSetting> settings;
  // Reads the settings; with a secret, opens as well. An empty secret: only checks the settings,
  // and the result is not used.
  //   kInvalidArgument  names the setting, or says what the secret's form should be, never its text
  absl::StatusOr<std::unique_ptr<ZoneApi>> (*open)(const HostedSettings& settings, Secret secret);
};

const std::vector<HostedType>& HostedTypes();
std::vector<std::string> HostedTypeNames();
// Null if there is none of that name.
const HostedType* FindHostedType(std::string_view name);
// Unknown and missing settings, then what `open` says of their values.
absl::Status ValidateHosted(const HostedType& type, const HostedSettings& settings);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_HOSTED_TYPES_H_
