// policyd/provider/googleclouddns/google_api.h
// Google Cloud DNS: class A. One change deletes the set exactly as it was read (TTL, every value)
// and adds the new one; the host refuses it if the set is another. Never PATCH on a set, which has
// no such guard.
//
// Limits as of 2026-11, to be checked at cloud.google.com/dns/quotas and
// /dns/docs/reference/rest/v1; the host enforces them, nothing here counts:
//   quota by project and minute; then 403 rateLimitExceeded or 429
//   1,000 additions, 1,000 deletions and 100,000 octets of data in a change
//   tokens of one hour
// Private, forwarding and peering zones are left out; sets with a routing policy are not changed.

#ifndef DMARCATE_POLICYD_PROVIDER_GOOGLECLOUDDNS_GOOGLE_API_H_
#define DMARCATE_POLICYD_PROVIDER_GOOGLECLOUDDNS_GOOGLE_API_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "policyd/provider/hosted_types.h"

namespace dmarcate {

// Settings: project (by default the key file's). `secret`: a service account's key file.
absl::StatusOr<std::unique_ptr<ZoneApi>> OpenGoogleCloudDns(const HostedSettings& settings,
                                                            Secret secret);

struct GoogleKeyFile {
  std::string client_email, private_key_id, project_id;
  std::string token_uri;  // a host of Google's: the file is input, and a signature would go there
  Secret private_key;     // PEM
};
//   kInvalidArgument  what is missing or wrong; no text of the file
absl::StatusOr<GoogleKeyFile> ParseGoogleKeyFile(std::string_view json);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_GOOGLECLOUDDNS_GOOGLE_API_H_
