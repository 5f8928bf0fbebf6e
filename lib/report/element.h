// lib/report/element.h
// The element names of aggregate reports, of both generations, as an enum.

#ifndef DMARCATE_LIB_REPORT_ELEMENT_H_
#define DMARCATE_LIB_REPORT_ELEMENT_H_

#include <cstdint>
#include <string_view>

namespace dmarcate {

// At most 64, so that a set of them is one word.
enum class Element : uint8_t {
  kUnknown,
  kFeedback,
  kVersion,
  kReportMetadata,
  kOrgName,
  kEmail,
  kExtraContactInfo,
  kReportId,
  kDateRange,
  kBegin,
  kEnd,
  kError,
  kGenerator,
  kPolicyPublished,
  kDomain,
  kP,
  kSp,
  kNp,
  kAdkim,
  kAspf,
  kPct,
  kFo,
  kTesting,
  kDiscoveryMethod,
  kExtension,
  kRecord,
  kRow,
  kSourceIp,
  kCount,
  kPolicyEvaluated,
  kDisposition,
  kDkim,
  kSpf,
  kReason,
  kType,
  kComment,
  kIdentifiers,
  kIdentities,
  kHeaderFrom,
  kEnvelopeFrom,
  kEnvelopeTo,
  kAuthResults,
  kSelector,
  kResult,
  kScope,
  kHumanResult,
};

// The name without its prefix. Prefixes and namespaces never decide (report-quirks G7).
std::string_view LocalName(std::string_view qualified);

// By the local name of `qualified`; one that matches only without regard to case counts too.
Element ElementOf(std::string_view qualified);

// The shape of an element where the grammar leaves no doubt. `dkim` and `spf` are texts in
// policy_evaluated and containers in auth_results, `reason` is a container that some fill with
// text.
enum class ElementShape : uint8_t { kUnknown, kText, kContainer, kByParent };
ElementShape ShapeOf(Element element);

// True if the text of the element is a domain, an address, a counter, an interval or a result.
bool IsMaterial(Element element);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_ELEMENT_H_
