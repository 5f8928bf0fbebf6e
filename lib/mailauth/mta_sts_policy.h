// lib/mailauth/mta_sts_policy.h
// MTA-STS policies, the file https://mta-sts.<domain>/.well-known/mta-sts.txt (RFC 8461
// section 3.2): which mail servers senders may deliver to, and what they do where TLS fails. Parsed
// strictly, since a policy that breaks the grammar is none; kept byte for byte. Pure; fetching it
// is not here.

#ifndef DMARCATE_LIB_MAILAUTH_MTA_STS_POLICY_H_
#define DMARCATE_LIB_MAILAUTH_MTA_STS_POLICY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/mailauth/domain_name.h"
#include "lib/mailauth/lint.h"

namespace dmarcate {

inline constexpr size_t kMaxMtaStsPolicyOctets = 64 << 10;  // RFC 8461 section 3.3
// RFC 8461 section 3.2. The grammar has room for more: 10 digits.
inline constexpr absl::Duration kMaxMtaStsAge = absl::Seconds(31557600);

enum class MtaStsMode : uint8_t {
  kNone,     // no policy any more
  kTesting,  // deliver nonetheless, and report
  kEnforce,
};
std::string_view ToString(MtaStsMode mode);  // "enforce"

// "mail.example.com", or "*.example.com" for each name with one label more.
struct MtaStsMxPattern {
  bool wildcard = false;
  DomainName name;  // without "*."

  std::string text() const { return (wildcard ? "*." : "") + name.text(); }
  // RFC 8461 section 4.1. `host` is what the MX record names.
  bool Matches(const DomainName& host) const;

  friend bool operator==(const MtaStsMxPattern&, const MtaStsMxPattern&) = default;
};
//   kInvalidArgument  no host name of A-labels, or a dot at its end
absl::StatusOr<MtaStsMxPattern> ParseMtaStsMxPattern(std::string_view text);

struct MtaStsLine {
  std::string name;  // empty for an empty line
  std::string value;
  std::string text;        // exactly as written, without the terminator
  std::string terminator;  // "\n", "\r\n", or empty for the last
  int position = 0;        // of the line in the policy

  friend bool operator==(const MtaStsLine&, const MtaStsLine&) = default;
};

struct MtaStsPolicy {
  MtaStsMode mode = MtaStsMode::kNone;
  absl::Duration max_age;           // how long senders may cache it
  std::vector<MtaStsMxPattern> mx;  // in order; at least one unless `mode` is kNone
  std::vector<MtaStsLine> lines;    // all of them

  // Senders may deliver to `host`: a pattern matches it.
  bool AllowsMx(const DomainName& host) const;
  // The bytes that were parsed.
  std::string Render() const;

  friend bool operator==(const MtaStsPolicy&, const MtaStsPolicy&) = default;
};

// Of version, mode and max_age the first counts. Lines with nothing in them, which the grammar does
// not have, are read over, as lenient senders do; LintMtaStsPolicy tells.
//   kInvalidArgument  over kMaxMtaStsPolicyOctets, a line that is none, or a key that is missing
//                     or has no valid value; with the position (syntax_error.h)
absl::StatusOr<MtaStsPolicy> ParseMtaStsPolicy(std::string_view text);

// Findings that need no look-up.
std::vector<LintFinding> LintMtaStsPolicy(const MtaStsPolicy& policy,
                                          std::string_view path = "mta-sts-policy");

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_MTA_STS_POLICY_H_
