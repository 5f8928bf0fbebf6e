#include "policyd/service/names.h"

#include <algorithm>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"
#include "lib/rpc/errors.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxIdOctets = 128;

absl::Status Malformed(std::string_view name, std::string_view field, std::string_view wanted) {
  if (name.empty()) {
    return ReasonError(Reason::kFieldRequired, fmt::format("{}: want \"{}\"", field, wanted),
                       {{"field", std::string(field)}});
  }
  return ReasonError(
      Reason::kNameMalformed,
      fmt::format("{}: \"{}\" is no \"{}\"", field, EscapeForTerminal(name.substr(0, 300)), wanted),
      {{"field", std::string(field)}});
}

bool IsId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxIdOctets && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

}  // namespace

absl::StatusOr<std::string> ParseDomainResource(std::string_view name, std::string_view field) {
  constexpr std::string_view kWanted = "domains/{domain}";
  const auto parts = Split(name, '/');
  // "-" means all of them, where a method says so; it is no domain's name.
  if (parts.size() != 2 || parts[0] != "domains" || parts[1].empty() || parts[1] == "-") {
    return Malformed(name, field, kWanted);
  }
  const auto domain = DomainName::Parse(parts[1]);
  if (!domain.ok() || domain->IsRoot()) return Malformed(name, field, kWanted);
  return domain->text();
}

absl::StatusOr<DomainChild> ParseDomainChild(std::string_view name, std::string_view collection,
                                             std::string_view field) {
  const std::string wanted = fmt::format("domains/{{domain}}/{}/{{id}}", collection);
  const auto parts = Split(name, '/');
  if (parts.size() != 4 || parts[0] != "domains" || parts[2] != collection || !IsId(parts[3])) {
    return Malformed(name, field, wanted);
  }
  const auto domain = DomainName::Parse(parts[1]);
  if (!domain.ok() || domain->IsRoot()) return Malformed(name, field, wanted);
  return DomainChild{domain->text(), std::string(parts[3])};
}

absl::StatusOr<std::string> ParseProviderResource(std::string_view name, std::string_view field) {
  const auto parts = Split(name, '/');
  if (parts.size() != 2 || parts[0] != "dnsProviders" || !IsChosenId(parts[1])) {
    return Malformed(name, field, "dnsProviders/{provider}");
  }
  return std::string(parts[1]);
}

absl::StatusOr<std::string> ParseFleetResource(std::string_view name, std::string_view field) {
  const auto parts = Split(name, '/');
  if (parts.size() != 2 || parts[0] != "fleetChanges" || !IsId(parts[1])) {
    return Malformed(name, field, "fleetChanges/{fleet_change}");
  }
  return std::string(parts[1]);
}

absl::StatusOr<std::string> ParseReporterResource(std::string_view name, std::string_view field) {
  const auto parts = Split(name, '/');
  if (parts.size() != 2 || parts[0] != "reporters" || !IsId(parts[1])) {
    return Malformed(name, field, "reporters/{reporter}");
  }
  return std::string(parts[1]);
}

absl::StatusOr<std::string> ParseAlertChannelResource(std::string_view name,
                                                      std::string_view field) {
  const auto parts = Split(name, '/');
  if (parts.size() != 2 || parts[0] != "alertChannels" || !IsChosenId(parts[1])) {
    return Malformed(name, field, "alertChannels/{channel}");
  }
  return std::string(parts[1]);
}

absl::StatusOr<std::string> ParseMailServiceResource(std::string_view name,
                                                     std::string_view field) {
  const auto parts = Split(name, '/');
  if (parts.size() != 2 || parts[0] != "mailServices" || !IsChosenId(parts[1])) {
    return Malformed(name, field, "mailServices/{service}");
  }
  return std::string(parts[1]);
}

std::string MailServiceResource(std::string_view id) { return fmt::format("mailServices/{}", id); }

std::string DomainResource(std::string_view domain) { return fmt::format("domains/{}", domain); }

std::string DomainChildResource(std::string_view domain, std::string_view collection,
                                std::string_view id) {
  return fmt::format("domains/{}/{}/{}", domain, collection, id);
}

std::string ProviderResource(std::string_view id) { return fmt::format("dnsProviders/{}", id); }

std::string FleetResource(std::string_view id) { return fmt::format("fleetChanges/{}", id); }

std::string ReporterResource(std::string_view id) { return fmt::format("reporters/{}", id); }

std::string AlertChannelResource(std::string_view id) {
  return fmt::format("alertChannels/{}", id);
}

bool IsChosenId(std::string_view id) {
  return !id.empty() && id.size() <= 63 && !id.starts_with('-') && !id.ends_with('-') &&
         std::ranges::all_of(id, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

}  // namespace dmarcate
