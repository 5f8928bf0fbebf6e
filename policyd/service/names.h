// policyd/service/names.h
// Resource names (AIP-122): "domains/example.com/sources/sendgrid" to its parts and back. Domains
// are folded to A-labels in lower case, other ids are taken as they are.
//   kInvalidArgument NAME_MALFORMED  the message says what was expected; FIELD_REQUIRED if empty

#ifndef DMARCATE_POLICYD_SERVICE_NAMES_H_
#define DMARCATE_POLICYD_SERVICE_NAMES_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dmarcate {

// Something below a domain.
struct DomainChild {
  std::string domain;
  std::string id;
};

// "domains/{domain}". `field` is named in the error.
absl::StatusOr<std::string> ParseDomainResource(std::string_view name, std::string_view field);
// "domains/{domain}/{collection}/{id}"
absl::StatusOr<DomainChild> ParseDomainChild(std::string_view name, std::string_view collection,
                                             std::string_view field);
// "dnsProviders/{provider}"
absl::StatusOr<std::string> ParseProviderResource(std::string_view name, std::string_view field);
// "fleetChanges/{fleet_change}"
absl::StatusOr<std::string> ParseFleetResource(std::string_view name, std::string_view field);
// "reporters/{reporter}"
absl::StatusOr<std::string> ParseReporterResource(std::string_view name, std::string_view field);
// "alertChannels/{channel}"
absl::StatusOr<std::string> ParseAlertChannelResource(std::string_view name,
                                                      std::string_view field);

// "mailServices/{service}"
absl::StatusOr<std::string> ParseMailServiceResource(std::string_view name, std::string_view field);

std::string DomainResource(std::string_view domain);
std::string DomainChildResource(std::string_view domain, std::string_view collection,
                                std::string_view id);
std::string ProviderResource(std::string_view id);
std::string FleetResource(std::string_view id);
std::string ReporterResource(std::string_view id);
std::string AlertChannelResource(std::string_view id);
std::string MailServiceResource(std::string_view id);

inline constexpr std::string_view kSources = "sources";
inline constexpr std::string_view kChanges = "changes";
inline constexpr std::string_view kRollouts = "rollouts";
inline constexpr std::string_view kAggregateReports = "aggregateReports";
inline constexpr std::string_view kTlsReports = "tlsReports";
inline constexpr std::string_view kFailureReports = "failureReports";

// An id that a person chooses: 1 to 63 of a-z, 0-9 and '-', no '-' at either end.
bool IsChosenId(std::string_view id);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_NAMES_H_
