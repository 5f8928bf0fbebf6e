// policyd/plan/guard.h
// Guards: checks by which a plan can refuse itself. Each is a pure function over values; its code
// is API (reference/api.md section 5) and never renamed. Nothing overrides a refusal.

#ifndef DMARCATE_POLICYD_PLAN_GUARD_H_
#define DMARCATE_POLICYD_PLAN_GUARD_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/policy_store.h"

namespace dmarcate {

namespace guard_code {
inline constexpr std::string_view kSpfMultiple = "SPF_MULTIPLE";
inline constexpr std::string_view kSpfLookupLimit = "SPF_LOOKUP_LIMIT";
inline constexpr std::string_view kSpfLookupMargin = "SPF_LOOKUP_MARGIN";
inline constexpr std::string_view kSpfVoidLimit = "SPF_VOID_LIMIT";
inline constexpr std::string_view kSpfPlusAll = "SPF_PLUS_ALL";
inline constexpr std::string_view kSpfFlattened = "SPF_FLATTENED";
inline constexpr std::string_view kSpfNotFlattened = "SPF_NOT_FLATTENED";
inline constexpr std::string_view kSpfFlattenProof = "SPF_FLATTEN_PROOF";
inline constexpr std::string_view kSpfVendorChanged = "SPF_VENDOR_CHANGED";
inline constexpr std::string_view kSpfVendorUnreadable = "SPF_VENDOR_UNREADABLE";
inline constexpr std::string_view kSpfChildForeign = "SPF_CHILD_FOREIGN";
inline constexpr std::string_view kSpfChildInUse = "SPF_CHILD_IN_USE";
inline constexpr std::string_view kSpfChildUnused = "SPF_CHILD_UNUSED";
inline constexpr std::string_view kSpfNotNeeded = "SPF_NOT_NEEDED";
inline constexpr std::string_view kDanglingInclude = "DANGLING_INCLUDE";
inline constexpr std::string_view kUnmanagedTermLoss = "UNMANAGED_TERM_LOSS";
inline constexpr std::string_view kRecordSyntax = "RECORD_SYNTAX";
inline constexpr std::string_view kDmarcMultiple = "DMARC_MULTIPLE";
inline constexpr std::string_view kDmarcPolicyChanged = "DMARC_POLICY_CHANGED";
inline constexpr std::string_view kDmarcPolicyWeakened = "DMARC_POLICY_WEAKENED";
inline constexpr std::string_view kDmarcTagLoss = "DMARC_TAG_LOSS";
inline constexpr std::string_view kDmarcRuaUnauthorized = "DMARC_RUA_UNAUTHORIZED";
inline constexpr std::string_view kDmarcRuaRevoked = "DMARC_RUA_REVOKED";
inline constexpr std::string_view kSiblingTxtLoss = "SIBLING_TXT_LOSS";
inline constexpr std::string_view kTxtTooLarge = "TXT_TOO_LARGE";
inline constexpr std::string_view kCnameAtName = "CNAME_AT_NAME";
inline constexpr std::string_view kDelegation = "DELEGATION";
inline constexpr std::string_view kDelegationForeign = "DELEGATION_FOREIGN";
inline constexpr std::string_view kDelegationLoop = "DELEGATION_LOOP";
inline constexpr std::string_view kZoneInconsistent = "ZONE_INCONSISTENT";
inline constexpr std::string_view kZoneMoved = "ZONE_MOVED";
inline constexpr std::string_view kWriteGap = "WRITE_GAP";
inline constexpr std::string_view kRepairChoice = "REPAIR_CHOICE";
inline constexpr std::string_view kSpfRepair = "SPF_REPAIR";
inline constexpr std::string_view kDmarcRepair = "DMARC_REPAIR";
inline constexpr std::string_view kSpfPrune = "SPF_PRUNE";
inline constexpr std::string_view kSpfPruneTerm = "SPF_PRUNE_TERM";
inline constexpr std::string_view kSpfPruneApproved = "SPF_PRUNE_APPROVED";
inline constexpr std::string_view kMtaStsFile = "MTA_STS_FILE";
inline constexpr std::string_view kMtaStsRecord = "MTA_STS_RECORD";
inline constexpr std::string_view kMtaStsMx = "MTA_STS_MX";
inline constexpr std::string_view kMtaStsMode = "MTA_STS_MODE";
}  // namespace guard_code

GuardRecord Pass(std::string_view code, std::string message,
                 std::map<std::string, std::string> metadata = {});
GuardRecord Warn(std::string_view code, std::string message,
                 std::map<std::string, std::string> metadata = {});
GuardRecord Refuse(std::string_view code, std::string message,
                   std::map<std::string, std::string> metadata = {});

// The first refusal, or null.
const GuardRecord* FindRefusal(const std::vector<GuardRecord>& guards);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_GUARD_H_
