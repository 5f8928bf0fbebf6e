// policyd/provider/api/scrub.h
// Takes credentials out of what a host or a program said, before anybody sees it.

#ifndef DMARCATE_POLICYD_PROVIDER_API_SCRUB_H_
#define DMARCATE_POLICYD_PROVIDER_API_SCRUB_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace dmarcate {

// `text` with "(secret)" in the place of each of `secrets`, of each of its lines and of the value
// of a line "key = value"; as it is, escaped for JSON or a URL, in base64 and in hex. What is
// shorter than 4 octets stays, for it would blot out words. Pure.
std::string Scrub(std::string_view text, const std::vector<std::string>& secrets);
// Of a text that was cut, which may end in the beginning of a secret: that goes, too, from 4 octets
// on.
std::string ScrubCut(std::string_view text, const std::vector<std::string>& secrets);

// The same error with a message without them. Keeps the code, and drops payloads.
absl::Status ScrubStatus(const absl::Status& status, const std::vector<std::string>& secrets);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_API_SCRUB_H_
