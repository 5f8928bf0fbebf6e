#include "lib/report/text_repair.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

constexpr std::array<bool, 256> MakePlainTable() {
  std::array<bool, 256> plain{};
  for (int c = 0x20; c < 0x7F; ++c) plain[c] = c != '&';
  return plain;
}
constexpr std::array<bool, 256> kPlain = MakePlainTable();

void AppendUtf8(uint32_t code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// XML 1.0 section 2.2.
bool IsXmlChar(uint32_t code) {
  return code == 0x9 || code == 0xA || code == 0xD || (code >= 0x20 && code < 0xD800) ||
         (code >= 0xE000 && code < 0xFFFE) || (code >= 0x10000 && code < 0x110000);
}

// The code point of "#38" or "#x26"; nullopt if it is none.
std::optional<uint32_t> NumericReference(std::string_view name) {
  name.remove_prefix(1);
  int base = 10;
  if (!name.empty() && (name[0] == 'x' || name[0] == 'X')) {
    base = 16;
    name.remove_prefix(1);
  }
  uint32_t code = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), code, base);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return code;
}

bool IsEntityName(std::string_view name) {
  for (const char c : name) {
    const char lower = AsciiLower(c);
    if (!((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9'))) return false;
  }
  return !name.empty();
}

// Decodes the reference at the start of `rest`, which begins with '&'; returns its length.
size_t AppendReference(std::string_view rest, std::string& out, TextFindings& findings) {
  constexpr size_t kLongestName = 12;
  const size_t semicolon = rest.substr(0, kLongestName).find(';');
  const std::string_view name =
      semicolon == std::string_view::npos ? std::string_view() : rest.substr(1, semicolon - 1);
  if (name == "amp") {
    out += '&';
  } else if (name == "lt") {
    out += '<';
  } else if (name == "gt") {
    out += '>';
  } else if (name == "quot") {
    out += '"';
  } else if (name == "apos") {
    out += '\'';
  } else if (name.starts_with('#')) {
    const std::optional<uint32_t> code = NumericReference(name);
    if (code.has_value() && IsXmlChar(*code)) {
      AppendUtf8(*code, out);
    } else {
      out += kReplacement;
      findings.bad_chars = true;
    }
  } else if (IsEntityName(name)) {
    out += kReplacement;
    findings.bad_chars = true;
  } else {
    out += '&';
    findings.unescaped = true;
    return 1;
  }
  return semicolon + 1;
}

// Length in bytes of the exotic blank at the start of `text`, or 0.
size_t ExoticBlank(std::string_view text) {
  if (text.starts_with("\xC2\xA0")) return 2;
  if (text.size() < 3) return 0;
  const std::string_view three = text.substr(0, 3);
  if (three == "\xEF\xBB\xBF" || three == "\xE3\x80\x80" || three == "\xE2\x81\xA0") return 3;
  if (three.starts_with("\xE2\x80")) {
    const auto last = static_cast<uint8_t>(three[2]);
    if ((last >= 0x80 && last <= 0x8D) || last == 0xA8 || last == 0xA9 || last == 0xAF) return 3;
  }
  return 0;
}

size_t ExoticBlankAtEnd(std::string_view text) {
  for (const size_t length : {size_t{2}, size_t{3}}) {
    if (text.size() >= length && ExoticBlank(text.substr(text.size() - length)) == length) {
      return length;
    }
  }
  return 0;
}

}  // namespace

bool IsPlainText(std::string_view text) {
  for (const char c : text) {
    if (!kPlain[static_cast<uint8_t>(c)]) return false;
  }
  return true;
}

void AppendRepaired(std::string_view raw, TextMarkup markup, std::string& out,
                    TextFindings& findings) {
  std::string valid;
  if (!IsValidUtf8(raw)) {
    valid = ToValidUtf8(raw);
    raw = valid;
    findings.bad_bytes = true;
  }
  for (size_t i = 0; i < raw.size();) {
    const char c = raw[i];
    if (c == '&' && markup == TextMarkup::kEscaped) {
      i += AppendReference(raw.substr(i), out, findings);
      continue;
    }
    ++i;
    if (c == '\r') {
      if (i >= raw.size() || raw[i] != '\n') out += '\n';
    } else if ((static_cast<uint8_t>(c) < 0x20 && c != '\t' && c != '\n') || c == 0x7F) {
      findings.bad_chars = true;
    } else {
      out += c;
    }
  }
}

std::string_view TrimBlanks(std::string_view text, bool& exotic) {
  while (true) {
    text = TrimAscii(text);
    if (const size_t front = ExoticBlank(text); front > 0) {
      text.remove_prefix(front);
    } else if (const size_t back = ExoticBlankAtEnd(text); back > 0) {
      text.remove_suffix(back);
    } else {
      return text;
    }
    exotic = true;
  }
}

}  // namespace dmarcate
