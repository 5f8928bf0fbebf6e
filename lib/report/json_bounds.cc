#include "lib/report/json_bounds.h"

#include <algorithm>
#include <array>

namespace dmarcate {
namespace {

// What ends a number or a word.
constexpr auto kEndsWord = [] {
  std::array<bool, 256> ends{};
  for (const char c : std::string_view("\"{}[], \t\r\n:"))
    ends[static_cast<unsigned char>(c)] = true;
  return ends;
}();

bool EndsWord(char c) { return kEndsWord[static_cast<unsigned char>(c)]; }

// Where the closing quote of the string whose content begins at `at` stands; npos if there is none.
size_t ClosingQuote(std::string_view text, size_t at) {
  for (; at < text.size(); ++at) {
    if (text[at] == '"') return at;
    if (text[at] == '\\') ++at;
  }
  return std::string_view::npos;
}

bool IsHighSurrogate(std::string_view escape) {
  return escape.size() >= 4 && escape[1] == 'u' && (escape[2] == 'd' || escape[2] == 'D') &&
         std::string_view("89abAB").find(escape[3]) != std::string_view::npos;
}

// How many bytes of a string's content the first character that is left whole takes.
size_t UnitBytes(std::string_view content) {
  constexpr size_t kEscape = 2;
  constexpr size_t kCodeUnit = 6;
  const auto byte = static_cast<unsigned char>(content[0]);
  size_t bytes = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
  if (content[0] == '\\') {
    const bool code_unit = content.size() > 1 && content[1] == 'u';
    bytes = IsHighSurrogate(content) ? 2 * kCodeUnit : code_unit ? kCodeUnit : kEscape;
  }
  return std::min(bytes, content.size());
}

std::string_view CutContent(std::string_view content, size_t limit) {
  if (content.size() <= limit) return content;
  size_t kept = 0;
  while (true) {
    const size_t unit = UnitBytes(content.substr(kept));
    if (kept + unit > limit) return content.substr(0, kept);
    kept += unit;
  }
}

}  // namespace

JsonBounds FindJsonBounds(std::string_view text, int depth_limit) {
  JsonBounds bounds{.end = text.size()};
  int depth = 0;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"') {
      const size_t end = std::min(ClosingQuote(text, i + 1), text.size());
      bounds.longest_string = std::max(bounds.longest_string, end - i - 1);
      i = end + 1;
    } else if (c == '{' || c == '[') {
      if (++depth > depth_limit) {
        bounds.too_deep = true;
        bounds.end = i;
        return bounds;
      }
      ++i;
    } else if (c == '}' || c == ']') {
      ++i;
      if (--depth > 0) continue;
      bounds.end = i;
      bounds.closed = true;
      return bounds;
    } else if (EndsWord(c)) {
      ++i;
    } else {
      const size_t begin = i++;
      while (i < text.size() && !EndsWord(text[i])) ++i;
      bounds.longest_word = std::max(bounds.longest_word, i - begin);
    }
  }
  return bounds;
}

std::string ShortenJsonStrings(std::string_view text, size_t limit) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t quote = std::min(text.find('"', at), text.size());
    out.append(text.substr(at, quote - at));
    if (quote == text.size()) break;
    const size_t end = ClosingQuote(text, quote + 1);
    out.append(1, '"').append(CutContent(text.substr(quote + 1, end - quote - 1), limit));
    if (end == std::string_view::npos) break;
    out += '"';
    at = end + 1;
  }
  return out;
}

}  // namespace dmarcate
