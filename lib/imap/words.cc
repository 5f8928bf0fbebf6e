#include "lib/imap/words.h"

#include <algorithm>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kFolderLimitBytes = 1000;
constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

// The code point at the head of `s`, which is valid UTF-8, and past it.
uint32_t TakeCodePoint(std::string_view* s) {
  const auto first = static_cast<unsigned char>(s->front());
  const size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  uint32_t code = length == 1 ? first : first & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    code = code << 6 | (static_cast<unsigned char>((*s)[i]) & 0x3Fu);
  }
  s->remove_prefix(length);
  return code;
}

// Big-endian UTF-16 in base64 with ',' for '/' and without padding.
std::string ModifiedBase64(const std::vector<uint16_t>& units) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const uint16_t unit : units) {
    bits = bits << 16 | unit;
    count += 16;
    while (count >= 6) {
      count -= 6;
      out += kBase64[bits >> count & 0x3F];
    }
    bits &= (1u << count) - 1;
  }
  if (count > 0) out += kBase64[bits << (6 - count) & 0x3F];
  return out;
}

}  // namespace

absl::StatusOr<std::string> QuotedFolder(std::string_view utf8) {
  const auto wrong = [utf8](std::string_view why) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("folder '{}': {}", EscapeForTerminal(utf8.substr(0, 100)), why));
  };
  if (utf8.empty()) return wrong("want a name");
  if (utf8.size() > kFolderLimitBytes) return wrong("the name is too long");
  if (!IsValidUtf8(utf8)) return wrong("want UTF-8");
  std::string out = "\"";
  std::vector<uint16_t> units;
  const auto flush = [&out, &units] {
    if (!units.empty()) out += fmt::format("&{}-", ModifiedBase64(units));
    units.clear();
  };
  while (!utf8.empty()) {
    const std::string_view rest = utf8;
    const uint32_t code = TakeCodePoint(&utf8);
    if (code < 0x20 || (code >= 0x7F && code < 0xA0)) {
      utf8 = rest;
      return wrong("control characters are not allowed");
    }
    if (code >= 0x10000) {
      units.push_back(static_cast<uint16_t>(0xD800 + ((code - 0x10000) >> 10)));
      units.push_back(static_cast<uint16_t>(0xDC00 + ((code - 0x10000) & 0x3FF)));
    } else if (code >= 0x80) {
      units.push_back(static_cast<uint16_t>(code));
    } else {
      flush();
      const char c = static_cast<char>(code);
      if (c == '"' || c == '\\') out += '\\';
      out += c;
      if (c == '&') out += '-';
    }
  }
  flush();
  return out + "\"";
}

bool IsImapFlag(std::string_view flag) {
  if (flag.starts_with('\\')) {
    return flag == "\\Seen" || flag == "\\Flagged" || flag == "\\Answered";
  }
  return !flag.empty() && flag.size() <= 64 && std::ranges::all_of(flag, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '$' ||
           c == '-' || c == '_' || c == '.';
  });
}

std::string UidSet(std::vector<uint32_t> uids) {
  std::ranges::sort(uids);
  std::string out;
  for (size_t i = 0; i < uids.size();) {
    size_t last = i;
    while (last + 1 < uids.size() && uids[last + 1] - uids[last] <= 1) ++last;
    if (uids[last] != 0) {
      const uint32_t from = std::max<uint32_t>(uids[i], 1);
      if (!out.empty()) out += ',';
      out += from == uids[last] ? fmt::format("{}", from) : fmt::format("{}:{}", from, uids[last]);
    }
    i = last + 1;
  }
  return out;
}

}  // namespace dmarcate
