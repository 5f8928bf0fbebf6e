#include "policyd/reconcile/sts_files.h"

#include <utility>

#include "lib/base/status_macros.h"
#include "lib/inbound/certificate.h"

namespace dmarcate {

absl::StatusOr<ServedStsFile> StsFiles::Fetch(const DomainName& domain) {
  if (!has_authorities_()) {
    return MakeError(absl::StatusCode::kUnavailable,
                     fmt::format("{}: {}", kNoAuthorities, kInstallAuthorities));
  }
  absl::StatusOr<HttpResponse> response = FetchMtaStsPolicy(domain, resolver_, http_, options_);
  switch (response.status().code()) {
    case absl::StatusCode::kOk:
      break;
    case absl::StatusCode::kFailedPrecondition:
      // Senders find none there, either.
      return MakeError(absl::StatusCode::kNotFound,
                       fmt::format("the web server's certificate is not trusted: {}",
                                   MessageOf(response.status())));
    case absl::StatusCode::kResourceExhausted:
      return MakeError(absl::StatusCode::kNotFound, fmt::format("what is served is no policy: {}",
                                                                MessageOf(response.status())));
    default:
      return response.status();
  }
  if (response->status != 200) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("the web server answers {}", response->status));
  }
  const std::string_view type = response->Header("content-type").value_or("");
  const bool plain = EqualsIgnoreCase(TrimAscii(type.substr(0, type.find(';'))), "text/plain");
  return ServedStsFile{std::move(response->body), plain};
}

}  // namespace dmarcate
