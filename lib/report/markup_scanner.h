// lib/report/markup_scanner.h
// Finds the tags of a document that may be no XML: never fails, never looks at a byte twice for
// long. What cannot be a tag ("a<b.net", "<user@host>") is skipped as text.

#ifndef DMARCATE_LIB_REPORT_MARKUP_SCANNER_H_
#define DMARCATE_LIB_REPORT_MARKUP_SCANNER_H_

#include <cstddef>
#include <optional>
#include <string_view>

namespace dmarcate {

enum class TokenKind { kStart, kEmpty, kEnd, kComment, kCdata, kInstruction, kDoctype };

struct Token {
  TokenKind kind = TokenKind::kStart;
  size_t begin = 0;         // of '<'
  size_t end = 0;           // after '>'
  std::string_view name;    // local name, of tags only
  std::string_view prefix;  // without the colon
  bool terminated = true;   // false: the end was missing, `end` is a guess
};

// What a comment, CDATA section or DOCTYPE without an end is. In a text that was cut off it hides
// what follows, which is no evidence then; in one that is whole the opening characters are text
// like any other.
enum class Unterminated { kHidesRest, kIsText };

// Whether <!DOCTYPE ...> and <!ENTITY ...> are markup: they are before the root. Within it they are
// text, as everywhere in a text that is whole (kIsText).
enum class Declarations { kAreMarkup, kAreText };

// Linear over the whole text. Views point into the text, which must outlive the scanner.
class MarkupScanner {
 public:
  explicit MarkupScanner(std::string_view text, size_t position = 0,
                         Unterminated unterminated = Unterminated::kHidesRest,
                         Declarations declarations = Declarations::kAreMarkup)
      : text_(text),
        position_(position),
        unterminated_(unterminated),
        declarations_(declarations) {}

  // The next tag or other markup; nullopt at the end.
  std::optional<Token> Next();
  std::string_view text() const { return text_; }
  size_t position() const { return position_; }
  void set_position(size_t position) { position_ = position; }

 private:
  std::optional<Token> MarkupAt(size_t begin);
  std::optional<Token> TagAt(size_t begin) const;
  Token DeclarationAt(size_t begin) const;
  Token InstructionAt(size_t begin) const;
  std::optional<Token> SectionAt(size_t begin, TokenKind kind, size_t opening,
                                 std::string_view closing, bool& endless) const;

  std::string_view text_;
  size_t position_;
  Unterminated unterminated_;
  Declarations declarations_;
  bool endless_comments_ = false;  // one had no end, so later ones have none
  bool endless_cdata_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_MARKUP_SCANNER_H_
