// policyd/analysis/catalogue_text.h
// A mail service as the text that catalogue_file.h reads. Pure.

#ifndef DMARCATE_POLICYD_ANALYSIS_CATALOGUE_TEXT_H_
#define DMARCATE_POLICYD_ANALYSIS_CATALOGUE_TEXT_H_

#include <string>

#include "absl/status/statusor.h"

#include "lib/mailauth/public_suffix_list.h"
#include "policyd/analysis/catalogue.h"

namespace dmarcate {

// One [[service]] of TOML; fields that are empty are left out. ParseServices() gives `service`.
// Equal services, equal bytes.
std::string RenderService(const MailService& service);

// What RenderService() wrote.
//   kDataLoss  it is not one service, or not of that id
absl::StatusOr<MailService> ParseStoredService(std::string_view text, std::string_view id);

// Whether one service may be added; the first fault.
//   kInvalidArgument  as LintServices(), or over a limit
absl::Status CheckOwnService(const MailService& service, const PublicSuffixList& suffixes);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_CATALOGUE_TEXT_H_
