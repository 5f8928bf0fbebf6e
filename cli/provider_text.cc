#include "cli/provider_text.h"

#include <map>
#include <vector>

#include "cli/app.h"
#include "lib/base/text.h"

namespace dmarcate::cli {

std::string ClassText(v1::ProviderClass provider_class) {
  if (provider_class == v1::PROVIDER_CLASS_UNSPECIFIED) return "-";
  return std::string(1, v1::ProviderClass_Name(provider_class).back());
}

std::string TypeText(const v1::DnsProvider& provider) {
  if (provider.has_powerdns()) return "powerdns";
  if (provider.has_rfc2136()) return "rfc2136";
  if (provider.has_exec()) return "exec";
  if (provider.has_manual()) return "manual";
  return provider.hosted().type();
}

namespace {

// Where it is, or which part of the host: "project=mail-dns".
std::string EndpointText(const v1::DnsProvider& provider) {
  if (provider.has_powerdns()) return provider.powerdns().api_url();
  if (provider.has_rfc2136()) return provider.rfc2136().server();
  if (provider.has_exec()) return provider.exec().program();
  if (provider.has_manual()) return "a person";
  std::map<std::string, std::string> sorted(provider.hosted().settings().begin(),
                                            provider.hosted().settings().end());
  std::vector<std::string> texts;
  for (const auto& [key, value] : sorted) texts.push_back(key + "=" + value);
  return Join(texts, " ");
}

std::string ZonesText(const v1::DnsProvider& provider) {
  const auto& zones =
      provider.has_manual() ? provider.manual().zones() : provider.rfc2136().zones();
  return Join({zones.begin(), zones.end()}, " ");
}

}  // namespace

Table ProviderTable(const google::protobuf::RepeatedPtrField<v1::DnsProvider>& providers) {
  Table table({{"PROVIDER"}, {"TYPE"}, {"CLASS"}, {"ENDPOINT"}, {"ZONES"}});
  for (const v1::DnsProvider& provider : providers) {
    table.Add(provider.name(),
              {std::string(LastSegment(provider.name())), TypeText(provider),
               ClassText(provider.provider_class()), EndpointText(provider), ZonesText(provider)});
  }
  return table;
}

}  // namespace dmarcate::cli
