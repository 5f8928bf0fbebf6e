// lib/mailauth/mta_sts_record.h
// MTA-STS records, the TXT record at `_mta-sts.<domain>` (RFC 8461 section 3.1): that there is a
// policy, and which one. The policy itself is fetched by https (mta_sts_policy.h). Parsed strictly,
// since a record that breaks the grammar is none; kept byte for byte. Pure.

#ifndef DMARCATE_LIB_MAILAUTH_MTA_STS_RECORD_H_
#define DMARCATE_LIB_MAILAUTH_MTA_STS_RECORD_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/mailauth/field_list.h"
#include "lib/mailauth/lint.h"

namespace dmarcate {

struct MtaStsRecord {
  FieldList list;
  std::string id;  // 1 to 32 letters or digits; another one makes senders fetch the policy anew

  // The bytes that were parsed.
  std::string Render() const { return list.Render(); }

  friend bool operator==(const MtaStsRecord&, const MtaStsRecord&) = default;
};

//   kInvalidArgument  not a record, no id, or one that is none; with the position
absl::StatusOr<MtaStsRecord> ParseMtaStsRecord(std::string_view text);

// "v=STSv1", see SelectByVersion. A sender that finds none keeps the policy that it has cached.
RecordSelection SelectMtaSts(const std::vector<std::string>& records);

// Findings that need no look-up.
std::vector<LintFinding> LintMtaStsRecord(const MtaStsRecord& record,
                                          std::string_view path = "mta-sts");

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_MTA_STS_RECORD_H_
