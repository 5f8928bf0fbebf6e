// lib/mail/header.h
// Header sections as they arrive: LF, CRLF or both, folded, with NUL and 8-bit octets, bounded.

#ifndef DMARCATE_LIB_MAIL_HEADER_H_
#define DMARCATE_LIB_MAIL_HEADER_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace dmarcate {

// The line at `at`, without its end; `next` is where the following line begins.
struct TextLine {
  std::string_view text;
  size_t next;
};
TextLine LineAt(std::string_view text, size_t at);

// Where the header section of the message at `at` begins: past what stands before its first field,
// a byte order mark, blank lines, the "From " line of an mbox or of a forwarding script (M21).
size_t HeaderBegin(std::string_view text, size_t at);

struct HeaderField {
  std::string_view name;   // as sent, without trailing blanks
  std::string_view value;  // as sent, folds included
};

// Goes through the fields of a header section from its beginning. Views into the text.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view section) : text_(section) {}
  // The next field; nullopt at the blank line that ends the section, at a line that is no field,
  // and at the end. position() is then where the body begins; a line that is no field belongs to
  // the body.
  std::optional<HeaderField> Next();
  size_t position() const { return at_; }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

// True if `line` begins with a field name and a colon (RFC 5322 section 2.2).
bool IsHeaderLine(std::string_view line);

// The value on one line: folds removed, NUL and other control characters as blanks, trimmed, cut at
// kMaxValueBytes so that no later reader of it can be kept busy (RFC 2231 parameter floods).
inline constexpr size_t kMaxValueBytes = 4096;
std::string UnfoldValue(std::string_view value);

// The unfolded value of the first field called `name` in `section`.
std::optional<std::string> FindField(std::string_view section, std::string_view name);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAIL_HEADER_H_
