// lib/report/domain_text.h
// A domain as reporters write it, made comparable (report-quirks P2, I4, I7, I9, I10). What is no
// host name is kept as it stands: it is a stranger's claim, and a fact about the stranger.

#ifndef DMARCATE_LIB_REPORT_DOMAIN_TEXT_H_
#define DMARCATE_LIB_REPORT_DOMAIN_TEXT_H_

#include <string>
#include <string_view>

namespace dmarcate {

struct DomainText {
  std::string text;           // lower case, no trailing dot, A-labels where that was possible
  bool from_address = false;  // was user@domain or <domain>
  bool several = false;       // was a list; the first was taken
  bool idna = false;          // U-labels were converted
  bool invalid = false;       // is no host name
};

// What a list of names or an address means. kKeep: of signatures and SPF (A14), where odd names are
// a fact about the sender; only local parts are replaced by "*".
enum class OddDomain { kRead, kKeep };

// `raw` is trimmed, valid UTF-8.
DomainText ReadDomainText(std::string_view raw, OddDomain odd = OddDomain::kRead);

// Letters, digits, hyphens and underscores in labels of 1 to 63, at most 253 octets; lower case.
bool IsHostName(std::string_view text);

// Equal to `ancestor` or below it, at a label boundary; both lower case.
bool IsAtOrBelowText(std::string_view domain, std::string_view ancestor);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_DOMAIN_TEXT_H_
