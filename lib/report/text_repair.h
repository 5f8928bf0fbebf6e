// lib/report/text_repair.h
// Makes the text of one XML element plain: entities decoded, bad bytes and characters replaced,
// blanks trimmed (report-quirks X8, X10, X11, X21).

#ifndef DMARCATE_LIB_REPORT_TEXT_REPAIR_H_
#define DMARCATE_LIB_REPORT_TEXT_REPAIR_H_

#include <string>
#include <string_view>

namespace dmarcate {

enum class TextMarkup { kEscaped, kLiteral };  // kLiteral: CDATA, where & is an ampersand

// What was found and repaired.
struct TextFindings {
  bool bad_bytes = false;  // invalid UTF-8, now U+FFFD
  bool bad_chars = false;  // control characters, bad references, unknown entities
  bool unescaped = false;  // a bare ampersand
};

// True if `text` needs no repair: printable ASCII without an ampersand.
bool IsPlainText(std::string_view text);

// Appends `raw` to `out`, repaired. The five entities of XML and numeric references are decoded, no
// others: "&nbsp;" becomes U+FFFD. Line ends become LF.
void AppendRepaired(std::string_view raw, TextMarkup markup, std::string& out,
                    TextFindings& findings);

// Without blanks at both ends: ASCII ones, U+00A0, U+2000 to U+200D, U+2028, U+2029, U+202F,
// U+2060, U+3000 and U+FEFF. Sets `exotic` if one of the latter was cut.
std::string_view TrimBlanks(std::string_view text, bool& exotic);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_TEXT_REPAIR_H_
