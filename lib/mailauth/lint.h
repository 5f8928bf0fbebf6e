// lib/mailauth/lint.h
// What is wrong, or risky, about a record, as a value. The codes are API (docs: lint codes): they
// are never renamed, only added.

#ifndef DMARCATE_LIB_MAILAUTH_LINT_H_
#define DMARCATE_LIB_MAILAUTH_LINT_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dmarcate {

enum class Severity : uint8_t {
  kInfo,     // good to know; nothing breaks
  kWarning,  // works today, or not everywhere
  kError,    // mail is judged wrongly, or the record is void
};
std::string_view ToString(Severity severity);  // "error"

// One finding. Text from outside inside `message` is escaped already.
struct LintFinding {
  std::string code;  // one of lint_code below
  Severity severity = Severity::kWarning;
  std::string path;                             // "spf", "spf/include:a.test", "dmarc/p", "dkim/s1"
  int position = -1;                            // octet in the record's text, -1 if none
  std::string message;                          // lower case, no full stop
  std::string fix_hint;                         // what to do, an imperative sentence
  std::string rfc_section;                      // "RFC 7208 section 4.6.4"; BIMI has a draft
  std::map<std::string, std::string> metadata;  // numbers and names of `message`, for programs

  friend bool operator==(const LintFinding&, const LintFinding&) = default;
};

// The worst severity; kInfo for no finding.
Severity WorstSeverity(const std::vector<LintFinding>& findings);

namespace lint_code {
inline constexpr std::string_view kSpfMissing = "SPF_MISSING";
inline constexpr std::string_view kSpfSyntax = "SPF_SYNTAX";
inline constexpr std::string_view kSpfMultiple = "SPF_MULTIPLE";
inline constexpr std::string_view kSpfLookupLimit = "SPF_LOOKUP_LIMIT";
inline constexpr std::string_view kSpfLookupMargin = "SPF_LOOKUP_MARGIN";
inline constexpr std::string_view kSpfVoidLimit = "SPF_VOID_LIMIT";
inline constexpr std::string_view kSpfPlusAll = "SPF_PLUS_ALL";
inline constexpr std::string_view kSpfNoAll = "SPF_NO_ALL";
inline constexpr std::string_view kSpfPtr = "SPF_PTR";
inline constexpr std::string_view kSpfTooWide = "SPF_TOO_WIDE";
inline constexpr std::string_view kSpfAfterAll = "SPF_AFTER_ALL";
inline constexpr std::string_view kSpfDangling = "SPF_DANGLING";
inline constexpr std::string_view kSpfDuplicateTerm = "SPF_DUPLICATE_TERM";
inline constexpr std::string_view kSpfStringLength = "SPF_STRING_LENGTH";
inline constexpr std::string_view kDmarcMissing = "DMARC_MISSING";
inline constexpr std::string_view kDmarcSyntax = "DMARC_SYNTAX";
inline constexpr std::string_view kDmarcMultiple = "DMARC_MULTIPLE";
inline constexpr std::string_view kDmarcNearMiss = "DMARC_NEAR_MISS";
inline constexpr std::string_view kDmarcNoRua = "DMARC_NO_RUA";
inline constexpr std::string_view kDmarcRuaUnauthorized = "DMARC_RUA_UNAUTHORIZED";
inline constexpr std::string_view kDmarcPMissing = "DMARC_P_MISSING";
inline constexpr std::string_view kDmarcPNotFirst = "DMARC_P_NOT_FIRST";
inline constexpr std::string_view kDmarcObsoleteTag = "DMARC_OBSOLETE_TAG";
inline constexpr std::string_view kDmarcUnknownTag = "DMARC_UNKNOWN_TAG";
inline constexpr std::string_view kDmarcBadValue = "DMARC_BAD_VALUE";
inline constexpr std::string_view kDmarcReadingsDiffer = "DMARC_READINGS_DIFFER";
inline constexpr std::string_view kDkimMissing = "DKIM_MISSING";
inline constexpr std::string_view kDkimSyntax = "DKIM_SYNTAX";
inline constexpr std::string_view kDkimMultiple = "DKIM_MULTIPLE";
inline constexpr std::string_view kDkimKeyShort = "DKIM_KEY_SHORT";
inline constexpr std::string_view kDkimKeyLarge = "DKIM_KEY_LARGE";
inline constexpr std::string_view kDkimKeyRevokedInUse = "DKIM_KEY_REVOKED_IN_USE";
inline constexpr std::string_view kDkimTestMode = "DKIM_TEST_MODE";
inline constexpr std::string_view kDkimDangling = "DKIM_DANGLING";
inline constexpr std::string_view kMtaStsSyntax = "MTA_STS_SYNTAX";
inline constexpr std::string_view kMtaStsUnknownField = "MTA_STS_UNKNOWN_FIELD";
inline constexpr std::string_view kMtaStsDuplicateField = "MTA_STS_DUPLICATE_FIELD";
inline constexpr std::string_view kMtaStsNotEnforced = "MTA_STS_NOT_ENFORCED";
inline constexpr std::string_view kMtaStsMaxAge = "MTA_STS_MAX_AGE";
inline constexpr std::string_view kMtaStsMissing = "MTA_STS_MISSING";
inline constexpr std::string_view kMtaStsMultiple = "MTA_STS_MULTIPLE";
inline constexpr std::string_view kMtaStsPolicyMissing = "MTA_STS_POLICY_MISSING";
inline constexpr std::string_view kMtaStsNoRecord = "MTA_STS_NO_RECORD";
inline constexpr std::string_view kMtaStsCertificate = "MTA_STS_CERTIFICATE";
inline constexpr std::string_view kMtaStsContentType = "MTA_STS_CONTENT_TYPE";
inline constexpr std::string_view kMtaStsMx = "MTA_STS_MX";
inline constexpr std::string_view kTlsRptSyntax = "TLS_RPT_SYNTAX";
inline constexpr std::string_view kTlsRptUnknownField = "TLS_RPT_UNKNOWN_FIELD";
inline constexpr std::string_view kTlsRptDuplicateField = "TLS_RPT_DUPLICATE_FIELD";
inline constexpr std::string_view kTlsRptBadAddress = "TLS_RPT_BAD_ADDRESS";
inline constexpr std::string_view kTlsRptMissing = "TLS_RPT_MISSING";
inline constexpr std::string_view kTlsRptMultiple = "TLS_RPT_MULTIPLE";
inline constexpr std::string_view kMxNoAddress = "MX_NO_ADDRESS";
inline constexpr std::string_view kMxUnreachable = "MX_UNREACHABLE";
inline constexpr std::string_view kMxCertificateName = "MX_CERTIFICATE_NAME";
inline constexpr std::string_view kMxCertificateExpired = "MX_CERTIFICATE_EXPIRED";
inline constexpr std::string_view kMxCertificateExpires = "MX_CERTIFICATE_EXPIRES";
inline constexpr std::string_view kMxCertificateUntrusted = "MX_CERTIFICATE_UNTRUSTED";
inline constexpr std::string_view kSmtpProtocol = "SMTP_PROTOCOL";
inline constexpr std::string_view kStarttlsMissing = "STARTTLS_MISSING";
inline constexpr std::string_view kStarttlsFailed = "STARTTLS_FAILED";
inline constexpr std::string_view kStarttlsInjection = "STARTTLS_INJECTION";
inline constexpr std::string_view kTlsVersion = "TLS_VERSION";
inline constexpr std::string_view kDaneInsecure = "DANE_INSECURE";
inline constexpr std::string_view kDaneNoTls = "DANE_NO_TLS";
inline constexpr std::string_view kDaneMismatch = "DANE_MISMATCH";
inline constexpr std::string_view kAddressNotPublic = "ADDRESS_NOT_PUBLIC";
inline constexpr std::string_view kTlsaSyntax = "TLSA_SYNTAX";
inline constexpr std::string_view kTlsaNoneUsable = "TLSA_NONE_USABLE";
inline constexpr std::string_view kTlsaPkixUsage = "TLSA_PKIX_USAGE";
inline constexpr std::string_view kTlsaUnusable = "TLSA_UNUSABLE";
inline constexpr std::string_view kTlsaCertificate = "TLSA_CERTIFICATE";
inline constexpr std::string_view kTlsaFullData = "TLSA_FULL_DATA";
inline constexpr std::string_view kBimiSyntax = "BIMI_SYNTAX";
inline constexpr std::string_view kBimiUnknownTag = "BIMI_UNKNOWN_TAG";
inline constexpr std::string_view kBimiBadValue = "BIMI_BAD_VALUE";
inline constexpr std::string_view kBimiDeclined = "BIMI_DECLINED";
inline constexpr std::string_view kBimiNoLogo = "BIMI_NO_LOGO";
inline constexpr std::string_view kBimiFormat = "BIMI_FORMAT";
inline constexpr std::string_view kBimiNoEvidence = "BIMI_NO_EVIDENCE";
inline constexpr std::string_view kTxtTooLarge = "TXT_TOO_LARGE";
inline constexpr std::string_view kZoneInconsistent = "ZONE_INCONSISTENT";
inline constexpr std::string_view kDnssecBogus = "DNSSEC_BOGUS";
inline constexpr std::string_view kCnameAtName = "CNAME_AT_NAME";
inline constexpr std::string_view kLookupFailed = "LOOKUP_FAILED";
}  // namespace lint_code

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_LINT_H_
