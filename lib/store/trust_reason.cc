#include "lib/store/trust_reason.h"

namespace dmarcate {

std::string_view TrustReasonName(TrustReason reason) {
  switch (reason) {
    case TrustReason::kNotSigned:
      return "not_signed";
    case TrustReason::kNotMail:
      return "not_mail";
    case TrustReason::kFromNotSingle:
      return "from_not_single";
    case TrustReason::kSignatureFailed:
      return "signature_failed";
    case TrustReason::kSignatureRefused:
      return "signature_refused";
    case TrustReason::kSignaturePartial:
      return "signature_partial";
    case TrustReason::kKeyGone:
      return "key_gone";
    case TrustReason::kNotAligned:
      return "not_aligned";
    case TrustReason::kDmarcFailed:
      return "dmarc_failed";
    case TrustReason::kDnsUnreachable:
      return "dns_unreachable";
    case TrustReason::kIdentityMismatch:
      return "identity_mismatch";
    case TrustReason::kAnchorClaimed:
      return "anchor_claimed";
    case TrustReason::kContentAmbiguous:
      return "content_ambiguous";
    case TrustReason::kImpossibleCount:
      return "impossible_count";
    case TrustReason::kPeriodUnusual:
      return "period_unusual";
    case TrustReason::kEnclosed:
      return "enclosed";
    case TrustReason::kHandedIn:
      return "handed_in";
    case TrustReason::kHistory:
      return "history";
    case TrustReason::kNotVerified:
      return "not_verified";
    case TrustReason::kReleased:
      return "released";
    case TrustReason::kNone:
      break;
  }
  return "";
}

}  // namespace dmarcate
