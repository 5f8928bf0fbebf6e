// cli/trust_text.h
// A report's class of trust, its reason, and what a person can do about it, in words.

#ifndef DMARCATE_CLI_TRUST_TEXT_H_
#define DMARCATE_CLI_TRUST_TEXT_H_

#include <string>
#include <string_view>

#include "dmarcate/v1/common.pb.h"

namespace dmarcate::cli {

// "unverified (key_gone)", "anchored".
std::string TrustText(v1::TrustClass trust, std::string_view reason);
// The same, and whether the report counts: "unverified (key_gone): counts nowhere".
std::string StandingText(v1::TrustClass trust, std::string_view reason, bool superseded);
// What to do next about a report with this reason; empty where nothing has to be done, and for a
// reason of a newer server. The long version is docs/trust.md.
std::string_view NextStep(std::string_view reason);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_TRUST_TEXT_H_
