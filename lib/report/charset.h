// lib/report/charset.h
// The bytes of a document as UTF-8, whatever it was written in (report-quirks X1, X5, X8, X9).

#ifndef DMARCATE_LIB_REPORT_CHARSET_H_
#define DMARCATE_LIB_REPORT_CHARSET_H_

#include <cstddef>
#include <optional>
#include <string>

#include "lib/report/repair_log.h"

namespace dmarcate {

// A document in which more characters than this have no meaning is not in the charset it names.
inline constexpr size_t kMaxBadCharacters = 100'000;

struct Utf8Document {
  std::optional<std::string> text;
  // Why there is no text: "document_too_large", "charset_broken"; and a sentence.
  std::string reason, detail;
};

// Byte order mark first, then the pattern of the first '<', then the label of the XML declaration.
// Converts UTF-16, UTF-32 and the 8-bit and East Asian sets mail gateways use; a byte with no
// meaning in its set becomes U+FFFD. A document that claims to be UTF-8 passes unchanged, wrong
// bytes included: they are repaired text by text, so that the repair can name its element. Codes:
// "charset_mismatch", "charset_unknown", "bad_bytes".
//
// What is converted may take `limit` bytes before, and as UTF-8: an octet can become three. No
// memory is used for more than that, and for 8-bit sets none before it is known to fit.
Utf8Document ToUtf8Document(std::string document, size_t limit, RepairLog& log);

// True if `head`, the first bytes of a document, shows that ToUtf8Document() would convert it.
// False proves nothing: the first octet that matters may come later.
bool NeedsConversion(std::string_view head);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_CHARSET_H_
