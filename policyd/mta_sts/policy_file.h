// policyd/mta_sts/policy_file.h
// The MTA-STS policy file that Dmarcate wants to be served, and the record that announces it (RFC
// 8461 sections 3.1 and 3.2). Pure. Equal input, equal bytes: the file that a person approved is,
// byte for byte, the one that must be found at its address before its id is published.

#ifndef DMARCATE_POLICYD_MTA_STS_POLICY_FILE_H_
#define DMARCATE_POLICYD_MTA_STS_POLICY_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/mailauth/domain_name.h"
#include "lib/mailauth/mta_sts_policy.h"

namespace dmarcate {

inline constexpr size_t kMaxStsMxPatterns = 100;  // far below what 64 KiB hold
// Of a policy of mode none: small, so that the withdrawal itself is soon forgotten (RFC 8461
// section 8.3 says a day).
inline constexpr absl::Duration kStsWithdrawalAge = absl::Hours(24);

// What a file says.
struct StsFile {
  MtaStsMode mode = MtaStsMode::kTesting;
  absl::Duration max_age;       // whole seconds
  std::vector<std::string> mx;  // patterns: "mail.example.com", "*.example.com"
};

// The patterns in the form and order in which files have them: A-labels in lower case, no
// duplicates, ascending.
//   kInvalidArgument  one is no pattern, none is given, or more than kMaxStsMxPatterns
absl::StatusOr<std::vector<std::string>> NormalizeStsPatterns(const std::vector<std::string>& mx);

// "version: STSv1", "mode: ...", one "mx: ..." each in the given order, "max_age: ...", each line
// ended by CR LF. A file of mode none names no mx (section 3.2: they are optional there).
std::string RenderStsFile(const StsFile& file);

// Names one spell of serving `file`: 24 digits of its SHA-256 in hex, then, from 1 on, "n" and
// `serial`, which grows with each file that a ladder begins to serve. Another file has another id,
// and so has the same file when it is served again: a sender may have fetched what was served in
// between under the id that was there before, and asks again only when it sees another one (RFC
// 8461 section 5.1). At most 32 letters and digits (section 3.1).
std::string StsId(std::string_view file, uint32_t serial = 0);
// Whether `id` names a spell of serving `file`, and the serial in an id of ours; 0 for others'.
bool IsStsIdOf(std::string_view file, std::string_view id);
uint32_t StsSerialOf(std::string_view id);
// "v=STSv1; id=<id>;"
std::string StsRecordText(std::string_view id);

// Why `served` is not `wanted`, for people: names the first line that differs, and says so where
// only line endings do. Empty: they are the same bytes. `served` is a stranger's text; escaped.
std::string DescribeStsDifference(std::string_view wanted, std::string_view served);

// Whether both say the same to a sender: mode, max_age and the set of patterns. Reports name a
// policy by its lines, in the reporter's spelling (RFC 8460 section 4.4).
bool SaysTheSame(const MtaStsPolicy& a, const MtaStsPolicy& b);

// The hosts that no pattern of `mx` matches, in their order.
std::vector<std::string> HostsNotMatched(const std::vector<std::string>& mx,
                                         const std::vector<std::string>& hosts);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_MTA_STS_POLICY_FILE_H_
