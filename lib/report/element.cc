#include "lib/report/element.h"

#include <algorithm>
#include <string>

#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kLongestName = 18;

// By length first: most names differ there, and a report has a dozen of them in every record.
Element ExactElement(std::string_view n) {
  switch (n.size()) {
    case 1:
      if (n == "p") return Element::kP;
      break;
    case 2:
      if (n == "sp") return Element::kSp;
      if (n == "np") return Element::kNp;
      if (n == "fo") return Element::kFo;
      break;
    case 3:
      if (n == "spf") return Element::kSpf;
      if (n == "row") return Element::kRow;
      if (n == "pct") return Element::kPct;
      if (n == "end") return Element::kEnd;
      break;
    case 4:
      if (n == "dkim") return Element::kDkim;
      if (n == "type") return Element::kType;
      if (n == "aspf") return Element::kAspf;
      break;
    case 5:
      if (n == "count") return Element::kCount;
      if (n == "scope") return Element::kScope;
      if (n == "adkim") return Element::kAdkim;
      if (n == "begin") return Element::kBegin;
      if (n == "email") return Element::kEmail;
      if (n == "error") return Element::kError;
      break;
    case 6:
      if (n == "record") return Element::kRecord;
      if (n == "domain") return Element::kDomain;
      if (n == "result") return Element::kResult;
      if (n == "reason") return Element::kReason;
      break;
    case 7:
      if (n == "comment") return Element::kComment;
      if (n == "version") return Element::kVersion;
      if (n == "testing") return Element::kTesting;
      break;
    case 8:
      if (n == "selector") return Element::kSelector;
      if (n == "feedback") return Element::kFeedback;
      if (n == "org_name") return Element::kOrgName;
      break;
    case 9:
      if (n == "source_ip") return Element::kSourceIp;
      if (n == "report_id") return Element::kReportId;
      if (n == "generator") return Element::kGenerator;
      if (n == "extension") return Element::kExtension;
      break;
    case 10:
      if (n == "date_range") return Element::kDateRange;
      if (n == "identities") return Element::kIdentities;
      break;
    case 11:
      if (n == "disposition") return Element::kDisposition;
      if (n == "identifiers") return Element::kIdentifiers;
      if (n == "header_from") return Element::kHeaderFrom;
      if (n == "envelope_to") return Element::kEnvelopeTo;
      break;
    case 12:
      if (n == "auth_results") return Element::kAuthResults;
      if (n == "human_result") return Element::kHumanResult;
      break;
    case 13:
      if (n == "envelope_from") return Element::kEnvelopeFrom;
      break;
    case 15:
      if (n == "report_metadata") return Element::kReportMetadata;
      break;
    case 16:
      if (n == "policy_evaluated") return Element::kPolicyEvaluated;
      if (n == "policy_published") return Element::kPolicyPublished;
      if (n == "discovery_method") return Element::kDiscoveryMethod;
      break;
    case 18:
      if (n == "extra_contact_info") return Element::kExtraContactInfo;
      break;
    default:
      break;
  }
  return Element::kUnknown;
}

}  // namespace

std::string_view LocalName(std::string_view qualified) {
  const size_t colon = qualified.rfind(':');
  return colon == std::string_view::npos ? qualified : qualified.substr(colon + 1);
}

Element ElementOf(std::string_view qualified) {
  const Element exact = ExactElement(qualified);
  if (exact != Element::kUnknown) return exact;
  const std::string_view local = LocalName(qualified);
  const bool upper = std::ranges::any_of(local, [](char c) { return c >= 'A' && c <= 'Z'; });
  if (upper && local.size() <= kLongestName) return ExactElement(AsciiLower(local));
  return local.size() < qualified.size() ? ExactElement(local) : exact;
}

ElementShape ShapeOf(Element element) {
  switch (element) {
    case Element::kUnknown:
      return ElementShape::kUnknown;
    case Element::kDkim:
    case Element::kSpf:
      return ElementShape::kByParent;
    case Element::kFeedback:
    case Element::kReportMetadata:
    case Element::kDateRange:
    case Element::kPolicyPublished:
    case Element::kExtension:
    case Element::kRecord:
    case Element::kRow:
    case Element::kPolicyEvaluated:
    case Element::kReason:
    case Element::kIdentifiers:
    case Element::kIdentities:
    case Element::kAuthResults:
      return ElementShape::kContainer;
    default:
      return ElementShape::kText;
  }
}

bool IsMaterial(Element element) {
  switch (element) {
    case Element::kBegin:
    case Element::kEnd:
    case Element::kDomain:
    case Element::kSourceIp:
    case Element::kCount:
    case Element::kDisposition:
    case Element::kDkim:
    case Element::kSpf:
    case Element::kHeaderFrom:
    case Element::kEnvelopeFrom:
    case Element::kEnvelopeTo:
    case Element::kResult:
      return true;
    default:
      return false;
  }
}

}  // namespace dmarcate
