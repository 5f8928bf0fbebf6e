// lib/report/redaction.h
// Keeps the local parts of mail addresses out of what is stored about a repair (report-quirks I7).

#ifndef DMARCATE_LIB_REPORT_REDACTION_H_
#define DMARCATE_LIB_REPORT_REDACTION_H_

#include <string>
#include <string_view>

#include "lib/report/element.h"

namespace dmarcate {

// The raw text of an identifier with "user@" replaced by "*@"; other elements pass unchanged.
inline std::string Redacted(Element element, std::string_view raw) {
  const bool identifier = element == Element::kHeaderFrom || element == Element::kEnvelopeFrom ||
                          element == Element::kEnvelopeTo;
  const size_t at = raw.rfind('@');
  if (!identifier || at == std::string_view::npos) return std::string(raw);
  return std::string("*").append(raw.substr(at));
}

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_REDACTION_H_
