// lib/store/trust_reason.h
// Why a report has its class of trust, where the class alone does not say it. docs/trust.md says
// what each one means and what to do about it.

#ifndef DMARCATE_LIB_STORE_TRUST_REASON_H_
#define DMARCATE_LIB_STORE_TRUST_REASON_H_

#include <cstdint>
#include <string_view>

namespace dmarcate {

// The numbers are at rest and the names are API: neither is changed or used again.
enum class TrustReason : uint8_t {
  kNone = 0,  // the class says it all; or it was stored before reasons were
  // UNVERIFIED
  kNotSigned = 1,
  kNotMail = 2,
  kFromNotSingle = 3,
  kSignatureFailed = 4,
  kSignatureRefused = 5,
  kSignaturePartial = 6,
  kKeyGone = 7,
  kNotAligned = 8,
  kDmarcFailed = 9,
  kDnsUnreachable = 10,
  // QUARANTINED; a TLS or failure report is UNVERIFIED for them
  kIdentityMismatch = 11,
  kAnchorClaimed = 12,
  kContentAmbiguous = 13,
  kImpossibleCount = 14,
  // AUTHENTICATED, though the signature is an anchor's
  kPeriodUnusual = 15,
  kEnclosed = 16,
  // IMPORTED
  kHandedIn = 17,
  kHistory = 18,
  kNotVerified = 19,
  kReleased = 20,
};
inline constexpr TrustReason kLastTrustReason = TrustReason::kReleased;

std::string_view TrustReasonName(TrustReason reason);  // "key_gone"; kNone: ""

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_TRUST_REASON_H_
