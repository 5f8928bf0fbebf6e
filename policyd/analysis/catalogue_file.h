// policyd/analysis/catalogue_file.h
// The text form of mail services: TOML, one [[service]] table each. The shipped files of catalogue/
// and an operator's own file are read by the same rules (docs/sources.md). Pure.

#ifndef DMARCATE_POLICYD_ANALYSIS_CATALOGUE_FILE_H_
#define DMARCATE_POLICYD_ANALYSIS_CATALOGUE_FILE_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/mailauth/alignment.h"
#include "policyd/analysis/catalogue.h"

namespace dmarcate {

inline constexpr size_t kMaxOwnServices = 1000;      // of an operator's file
inline constexpr size_t kMaxNamesOfService = 100;    // of one field
inline constexpr size_t kMaxServiceTextBytes = 500;  // of name, setup and url

// `origin` is named in errors.
//   kInvalidArgument  not TOML, an unknown key or kind, a required one is missing
absl::StatusOr<std::vector<MailService>> ParseServices(std::string_view text,
                                                       std::string_view origin);

// The files that are compiled in, parsed. Aborts if they do not parse: a test does it.
std::vector<MailService> ShippedServices();

// What is wrong with entries that parse, one sentence each, in the order of the entries: ids that
// are no DNS label or look like those of other sources, names that are no host name in canonical
// form, public suffixes, selectors with other characters than a selector's, ranges that are private
// or wider than /8 (IPv4) or /24 (IPv6), links that are not https, nothing to recognise it by, an
// SPF alignment by include of a service that has no include and no reverse name.
// What only shows between two entries, Catalogue::Make() says.
std::vector<std::string> LintServices(std::span<const MailService> services,
                                      const PublicSuffixList& suffixes);

// An operator's file: parsed, linted, bounded, and put beside the shipped services.
//   kInvalidArgument  any of these fails; the message names the file and the service
absl::StatusOr<std::unique_ptr<Catalogue>> ExtendCatalogue(std::string_view text,
                                                           std::string_view origin,
                                                           const PublicSuffixList& suffixes);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_CATALOGUE_FILE_H_
