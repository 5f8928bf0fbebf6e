#include "lib/report/markup_scanner.h"

#include <algorithm>

#include "lib/base/text.h"
#include "lib/report/element.h"

namespace dmarcate {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || c == ':' || static_cast<signed char>(c) < 0;
}

bool IsNameStart(char c) {
  return IsNameChar(c) && c != '-' && c != '.' && !(c >= '0' && c <= '9');
}

}  // namespace

std::optional<Token> MarkupScanner::TagAt(size_t begin) const {
  Token token{.kind = TokenKind::kStart, .begin = begin};
  size_t i = begin + 1;
  if (i < text_.size() && text_[i] == '/') {
    token.kind = TokenKind::kEnd;
    ++i;
  }
  const size_t name = i;
  if (i >= text_.size() || !IsNameStart(text_[i])) return std::nullopt;
  while (i < text_.size() && IsNameChar(text_[i])) ++i;
  const std::string_view qualified = text_.substr(name, i - name);
  token.name = LocalName(qualified);
  token.prefix = qualified.substr(0, qualified.size() - token.name.size());
  if (!token.prefix.empty()) token.prefix.remove_suffix(1);
  if (token.name.empty() || !IsNameStart(token.name[0])) return std::nullopt;
  if (i < text_.size() && !IsBlank(text_[i]) && text_[i] != '>' && text_[i] != '/') {
    return std::nullopt;
  }
  // Attributes up to '>', which may stand in quotes; a '<' means that this never was a tag.
  char quote = '\0';
  for (; i < text_.size(); ++i) {
    const char c = text_[i];
    if (c == '<') return std::nullopt;
    if (quote != '\0') {
      if (c == quote) quote = '\0';
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '>') {
      if (token.kind == TokenKind::kStart && text_[i - 1] == '/') token.kind = TokenKind::kEmpty;
      token.end = i + 1;
      return token;
    }
  }
  return std::nullopt;
}

std::optional<Token> MarkupScanner::SectionAt(size_t begin, TokenKind kind, size_t opening,
                                              std::string_view closing, bool& endless) const {
  if (endless) return std::nullopt;
  Token token{.kind = kind, .begin = begin};
  const size_t end = text_.find(closing, begin + opening);
  token.terminated = end != std::string_view::npos;
  token.end = token.terminated ? end + closing.size() : text_.size();
  endless = !token.terminated && unterminated_ == Unterminated::kIsText;
  return endless ? std::nullopt : std::optional(token);
}

// <!DOCTYPE ...>, with an internal subset in brackets perhaps.
Token MarkupScanner::DeclarationAt(size_t begin) const {
  Token token{.kind = TokenKind::kDoctype, .begin = begin, .end = text_.size()};
  int brackets = 0;
  for (size_t i = begin + 2; i < text_.size(); ++i) {
    const char c = text_[i];
    if (c == '[') ++brackets;
    if (c == ']') --brackets;
    if (c == '>' && brackets <= 0) {
      token.end = i + 1;
      return token;
    }
  }
  token.terminated = false;
  return token;
}

// <?target ...?>; a broken one ends at '>' or before the next tag (X5).
Token MarkupScanner::InstructionAt(size_t begin) const {
  Token token{.kind = TokenKind::kInstruction, .begin = begin};
  const size_t limit = std::min(text_.find('<', begin + 1), text_.size());
  const std::string_view inside = text_.substr(begin, limit - begin);
  const size_t end = inside.find("?>");
  token.terminated = end != std::string_view::npos;
  if (token.terminated) {
    token.end = begin + end + 2;
  } else if (const size_t close = inside.find('>'); close != std::string_view::npos) {
    token.end = begin + close + 1;
  } else {
    token.end = limit;
  }
  return token;
}

std::optional<Token> MarkupScanner::MarkupAt(size_t begin) {
  const std::string_view rest = text_.substr(begin);
  if (rest.size() < 2) return std::nullopt;
  if (rest[1] == '?') return InstructionAt(begin);
  if (rest[1] != '!') return TagAt(begin);
  if (rest.starts_with("<!--")) {
    return SectionAt(begin, TokenKind::kComment, 4, "-->", endless_comments_);
  }
  if (rest.starts_with("<![CDATA[")) {
    return SectionAt(begin, TokenKind::kCdata, 9, "]]>", endless_cdata_);
  }
  const bool declaration =
      unterminated_ == Unterminated::kHidesRest && declarations_ == Declarations::kAreMarkup &&
      (StartsWithIgnoreCase(rest, "<!DOCTYPE") || StartsWithIgnoreCase(rest, "<!ENTITY"));
  return declaration ? std::optional(DeclarationAt(begin)) : std::nullopt;
}

std::optional<Token> MarkupScanner::Next() {
  while (position_ < text_.size()) {
    const size_t begin = text_.find('<', position_);
    if (begin == std::string_view::npos) break;
    std::optional<Token> token = MarkupAt(begin);
    position_ = token.has_value() ? token->end : begin + 1;
    if (token.has_value()) return token;
  }
  position_ = text_.size();
  return std::nullopt;
}

}  // namespace dmarcate
