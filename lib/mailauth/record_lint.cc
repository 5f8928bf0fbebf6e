#include "lib/mailauth/record_lint.h"

#include <algorithm>
#include <array>
#include <string>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/bimi_record.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/dkim_key.h"
#include "lib/mailauth/dmarc_near.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/mta_sts_policy.h"
#include "lib/mailauth/mta_sts_record.h"
#include "lib/mailauth/spf_record.h"
#include "lib/mailauth/syntax_error.h"
#include "lib/mailauth/tls_rpt_record.h"
#include "lib/mailauth/tlsa_record.h"

namespace dmarcate {
namespace {

struct Kind {
  std::string_view path;
  std::string_view syntax_code;
  std::string_view fix_hint;  // of a syntax error
  std::string_view rfc_section;
};

template <typename Record, typename Lint>
std::vector<LintFinding> LintParsedOr(const absl::StatusOr<Record>& record, const Kind& kind,
                                      Lint&& lint) {
  if (record.ok()) return lint(*record, kind.path);
  return {{.code = std::string(kind.syntax_code),
           .severity = Severity::kError,
           .path = std::string(kind.path),
           .position = PositionOf(record.status()),
           .message = std::string(WhatOf(record.status())),
           .fix_hint = std::string(kind.fix_hint),
           .rfc_section = std::string(kind.rfc_section)}};
}

// The first line that holds anything has one of the policy's keys: RFC 8461 section 3.2 fixes no
// order. `text` without white space in front.
bool LooksLikePolicy(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view key = TrimBlanks(line.substr(0, colon));
  const std::array<std::string_view, 4> kKeys = {"version", "mode", "mx", "max_age"};
  return std::ranges::any_of(kKeys,
                             [key](std::string_view one) { return EqualsIgnoreCase(key, one); });
}

// Of one record alone nobody knows whether another is usable.
std::vector<LintFinding> LintTlsaLines(const std::vector<TlsaRecord>& records,
                                       std::string_view path) {
  std::vector<LintFinding> findings = LintTlsa(records, path);
  if (records.size() == 1) {
    std::erase_if(findings, [](const LintFinding& finding) {
      return finding.code == lint_code::kTlsaNoneUsable;
    });
  }
  return findings;
}

}  // namespace

std::optional<std::vector<LintFinding>> LintRecordText(std::string_view text) {
  const std::string_view trimmed = TrimAscii(text);
  const auto begins = [trimmed](std::string_view version) {
    return StartsWithIgnoreCase(trimmed, version);
  };
  if (begins("v=spf1")) {
    return LintParsedOr(ParseSpf(text),
                        {"spf", lint_code::kSpfSyntax, "Correct the term.", "RFC 7208 section 4.6"},
                        LintSpf);
  }
  if (const auto near = FindDmarcNearMiss(text); near.has_value()) {
    return std::vector<LintFinding>{
        {.code = std::string(lint_code::kDmarcSyntax),
         .severity = Severity::kError,
         .path = "dmarc",
         .position = 0,
         .message = fmt::format("receivers take it for no DMARC record: {}", near->why),
         .fix_hint = near->repaired.empty() ? "Begin with v=DMARC1; and go on with p=."
                                            : fmt::format("Write \"{}\".", near->repaired),
         .rfc_section = "RFC 9989 section 4.8"}};
  }
  if (begins("v=dmarc")) {
    return LintParsedOr(ParseDmarc(text),
                        {"dmarc", lint_code::kDmarcSyntax,
                         "Begin with v=DMARC1; and go on with p=.", "RFC 9989 section 4.8"},
                        LintDmarc);
  }
  if (begins("v=stsv")) {
    return LintParsedOr(
        ParseMtaStsRecord(text),
        {"mta-sts", lint_code::kMtaStsSyntax, "Write v=STSv1; id= and up to 32 letters and digits.",
         "RFC 8461 section 3.1"},
        LintMtaStsRecord);
  }
  if (LooksLikePolicy(trimmed)) {
    return LintParsedOr(
        ParseMtaStsPolicy(text),
        {"mta-sts-policy", lint_code::kMtaStsSyntax,
         "Write lines 'key: value': version, mode, max_age and each mx.", "RFC 8461 section 3.2"},
        LintMtaStsPolicy);
  }
  if (begins("v=tlsrpt")) {
    return LintParsedOr(
        ParseTlsRpt(text),
        {"tlsrpt", lint_code::kTlsRptSyntax,
         "Write v=TLSRPTv1; rua=mailto: and your report address.", "RFC 8460 section 3"},
        LintTlsRpt);
  }
  if (begins("v=bimi")) {
    return LintParsedOr(
        ParseBimi(text),
        {"bimi", lint_code::kBimiSyntax, "Write v=BIMI1; l= and the https address of the logo.",
         "draft-brand-indicators-for-message-identification-10 section 4.3"},
        LintBimi);
  }
  // A DKIM key may lack its version (RFC 6376 section 3.6.1): then `p=` tells.
  if (begins("v=dkim1") || trimmed.find("p=") != std::string_view::npos) {
    return LintParsedOr(ParseDkimKey(text),
                        {"dkim", lint_code::kDkimSyntax,
                         "Publish the key again as it was generated.", "RFC 6376 section 3.6.1"},
                        LintDkimKey);
  }
  if (LooksLikeTlsa(trimmed)) {
    return LintParsedOr(ParseTlsaLines(text),
                        {"tlsa", lint_code::kTlsaSyntax,
                         "Write usage, selector, matching type and hex digits: 3 1 1 and the "
                         "digest.",
                         "RFC 6698 section 2.2"},
                        LintTlsaLines);
  }
  return std::nullopt;
}

}  // namespace dmarcate
