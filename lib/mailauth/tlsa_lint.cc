// The findings about the TLSA records of one mail server that need no look-up.

#include <algorithm>

#include "fmt/format.h"

#include "lib/mailauth/finding_list.h"
#include "lib/mailauth/tlsa_record.h"

namespace dmarcate {
namespace {

constexpr std::string_view kFix = "Publish DANE-EE SPKI SHA-256 (3 1 1) of the server's key.";

// Where the field that is wrong stands.
int PositionOf(const TlsaRecord& record, TlsaUsability usability) {
  switch (usability) {
    case TlsaUsability::kUsable:
    case TlsaUsability::kPkixUsage:
    case TlsaUsability::kUnknownUsage:
      return record.positions.usage;
    case TlsaUsability::kUnknownSelector:
      return record.positions.selector;
    case TlsaUsability::kUnknownMatchingType:
      return record.positions.matching_type;
    case TlsaUsability::kDigestLength:
    case TlsaUsability::kNoCertificate:
    case TlsaUsability::kNoPublicKey:
      return record.positions.data;
  }
  return -1;
}

std::string WhyUnusable(const TlsaRecord& record, TlsaUsability usability) {
  switch (usability) {
    case TlsaUsability::kUsable:
      return "";
    case TlsaUsability::kPkixUsage:
      return fmt::format("certificate usage {} is not for SMTP", record.usage);
    case TlsaUsability::kUnknownUsage:
      return fmt::format("certificate usage {} is unknown", record.usage);
    case TlsaUsability::kUnknownSelector:
      return fmt::format("selector {} is unknown", record.selector);
    case TlsaUsability::kUnknownMatchingType:
      return fmt::format("matching type {} is unknown", record.matching_type);
    case TlsaUsability::kDigestLength:
      return fmt::format("matching type {} is a digest of {} octets, and there are {}",
                         record.matching_type, record.matching_type == tlsa::kSha256 ? 32 : 64,
                         record.data.size());
    case TlsaUsability::kNoCertificate:
      return "the data are no certificate";
    case TlsaUsability::kNoPublicKey:
      return "the data are no public key";
  }
  return "";
}

void CheckUsable(const TlsaRecord& record, const std::string& part, FindingList& findings) {
  if (record.usage == tlsa::kDaneEe && record.selector == tlsa::kCert) {
    findings.Add(lint_code::kTlsaCertificate, Severity::kInfo, part, record.positions.selector,
                 "the record names the certificate, so each renewal needs a new one",
                 std::string(kFix), "RFC 7671 section 5.1");
  }
  if (record.matching_type == tlsa::kFull) {
    findings.Add(
        lint_code::kTlsaFullData, Severity::kInfo, part, record.positions.matching_type,
        fmt::format("{} octets of data in full make answers large, which get lost more easily",
                    record.data.size()),
        "Publish a SHA-256 digest.", "RFC 7671 section 10.1.2");
  }
}

}  // namespace

std::vector<LintFinding> LintTlsa(const std::vector<TlsaRecord>& records, std::string_view path) {
  FindingList findings(path);
  const bool any_usable = std::ranges::any_of(records, [](const TlsaRecord& record) {
    return record.Usability() == TlsaUsability::kUsable;
  });
  if (!records.empty() && !any_usable) {
    findings.Add(lint_code::kTlsaNoneUsable, Severity::kError, "", -1,
                 "no record can be used, so senders that do DANE insist on TLS and authenticate "
                 "nobody",
                 std::string(kFix), "RFC 7672 section 2.2");
  }
  for (size_t i = 0; i < records.size(); ++i) {
    const TlsaRecord& record = records[i];
    const TlsaUsability usability = record.Usability();
    if (usability == TlsaUsability::kUsable) {
      CheckUsable(record, std::to_string(i), findings);
      continue;
    }
    const bool pkix = usability == TlsaUsability::kPkixUsage;
    LintFinding& finding = findings.Add(
        pkix ? lint_code::kTlsaPkixUsage : lint_code::kTlsaUnusable, Severity::kWarning,
        std::to_string(i), PositionOf(record, usability),
        fmt::format("senders cannot use the record: {}", WhyUnusable(record, usability)),
        std::string(kFix), pkix ? "RFC 7672 section 3.1.3" : "RFC 6698 section 4.1");
    finding.metadata["why"] = std::string(ToString(usability));
  }
  return findings.Take();
}

}  // namespace dmarcate
