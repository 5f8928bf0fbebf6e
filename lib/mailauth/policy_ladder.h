// lib/mailauth/policy_ladder.h
// The ladder from p=none to p=reject as edits of a DMARC Policy Record, and what each rung makes
// receivers do: those on RFC 9989 and those on RFC 7489 alike. Pure.
//
// A test stage publishes `t=y` and `pct=0` together (RFC 9989 section 4.7, RFC 7489 section 6.6.4):
// each standard reads one of them, and both then apply the policy one level down. There is no other
// `pct`. Both tags act on the whole record, so a test stage is used only while no other policy tag
// of the record asks for more than none (DESIGN 13.10): it would be lowered unnamed.

#ifndef DMARCATE_LIB_MAILAUTH_POLICY_LADDER_H_
#define DMARCATE_LIB_MAILAUTH_POLICY_LADDER_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"

#include "lib/mailauth/dmarc_record.h"

namespace dmarcate {

// The numbers are at rest.
enum class PolicyStage : uint8_t {
  kObserve = 1,         // p=none
  kQuarantineTest = 2,  // p=quarantine; t=y; pct=0
  kQuarantine = 3,      // p=quarantine
  kRejectTest = 4,      // p=reject; t=y; pct=0
  kReject = 5,          // p=reject
};
inline constexpr std::array<PolicyStage, 5> kPolicyStages = {
    PolicyStage::kObserve, PolicyStage::kQuarantineTest, PolicyStage::kQuarantine,
    PolicyStage::kRejectTest, PolicyStage::kReject};
std::string_view ToString(PolicyStage stage);                        // "quarantine-test"
std::optional<PolicyStage> ParsePolicyStage(std::string_view text);  // the same words
bool IsTestStage(PolicyStage stage);
DmarcPolicy RequestedBy(PolicyStage stage);  // what the tag says
DmarcPolicy AppliedBy(PolicyStage stage);    // what is done to failing mail

// Which tag a ladder moves. The numbers are at rest.
enum class PolicyScope : uint8_t {
  kDomain = 1,       // p, and with it sp and np where the record leaves them out
  kSubdomains = 2,   // sp
  kNonExistent = 3,  // np; receivers on RFC 7489 do not read it
};
std::string_view ToString(PolicyScope scope);                        // "domain", "sp", "np"
std::optional<PolicyScope> ParsePolicyScope(std::string_view text);  // the same words
DmarcSubject SubjectOf(PolicyScope scope);

// What is done to failing mail of each subject, by the number of DmarcSubject.
struct PolicyEffect {
  std::array<DmarcPolicy, 3> rfc9989{}, rfc7489{};
  friend bool operator==(const PolicyEffect&, const PolicyEffect&) = default;
};
PolicyEffect EffectOf(const DmarcRecord& record);
// Whether `after` does less to failing mail of any subject under either standard.
bool Weakens(const PolicyEffect& before, const PolicyEffect& after);

// The rung on which the record stands. Absent: on none, as its `t` and `pct` differ in meaning
// (t=y alone, pct=50), or receivers do not read it as a policy.
std::optional<PolicyStage> StageOf(const DmarcRecord& record, PolicyScope scope);

// The record with the scope's tag on that rung; every byte of other tags stays. `t` and `pct` are
// set or taken away together. What the record does for other subjects stays as it is, unless it
// leaves their tag out and so lets them follow.
//   kFailedPrecondition  a test stage, and another tag would be lowered by it; or the record is in
//                        test and another tag would be raised by leaving it
//   kInvalidArgument     the record cannot be edited
absl::StatusOr<DmarcRecord> WithStage(const DmarcRecord& record, PolicyScope scope,
                                      PolicyStage stage);

// The record with the tag of `scope` written out as it is inherited now: from then on it has a
// ladder of its own. For kDomain the record itself.
absl::StatusOr<DmarcRecord> WithOwnTag(const DmarcRecord& record, PolicyScope scope);

// The rung above or below `stage` that the record can be put on; test stages that WithStage refuses
// are left out. Absent: there is none.
std::optional<PolicyStage> StageAbove(const DmarcRecord& record, PolicyScope scope,
                                      PolicyStage stage);
std::optional<PolicyStage> StageBelow(const DmarcRecord& record, PolicyScope scope,
                                      PolicyStage stage);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_POLICY_LADDER_H_
