#include "lib/report/charset.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"

namespace dmarcate {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr size_t kDeclarationBytes = 1024;

struct Charset {
  const char* name = nullptr;  // for iconv; nullptr: UTF-8
  size_t unit = 1;             // of a code unit: what is skipped where the input has no meaning
  size_t mark_bytes = 0;       // of the byte order mark
  bool by_octet = false;       // an octet is a character, and ASCII is ASCII
};

bool IsAsciiOctet(char c) { return static_cast<unsigned char>(c) < 0x80; }

Utf8Document Refusal(std::string_view reason, std::string detail) {
  return {std::nullopt, std::string(reason), std::move(detail)};
}

Utf8Document TooLarge(size_t limit) {
  return Refusal("document_too_large",
                 fmt::format("over {} bytes in another charset than UTF-8, or converted", limit));
}

class Converter {
 public:
  explicit Converter(const Charset& charset)
      : charset_(charset), handle_(iconv_open("UTF-8", charset.name)) {}
  ~Converter() {
    if (ok()) iconv_close(handle_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  bool ok() const { return handle_ != reinterpret_cast<iconv_t>(-1); }  // NOLINT: iconv's own idiom

  // `*bad` receives how many characters have no meaning.
  Utf8Document Convert(std::string input, size_t limit, size_t* bad) {
    return charset_.by_octet ? ConvertOctets(input, limit, bad)
                             : ConvertStream(std::move(input), limit, bad);
  }

 private:
  // By a table: iconv takes long to say that an octet has no meaning, and all of them may.
  Utf8Document ConvertOctets(std::string_view input, size_t limit, size_t* bad) {
    std::array<size_t, 256> counts{};
    for (const char c : input) ++counts[static_cast<unsigned char>(c)];
    std::array<std::string, 256> table;
    size_t size = 0;
    for (size_t octet = 0; octet < table.size(); ++octet) {
      size_t meaningless = 0;
      table[octet] = ConvertStream(std::string(1, static_cast<char>(octet)), limit, &meaningless)
                         .text.value_or(std::string(kReplacement));
      *bad += meaningless * counts[octet];
      size += table[octet].size() * counts[octet];
    }
    if (size > limit) return TooLarge(limit);
    std::string out;
    out.reserve(size);
    while (!input.empty()) {
      const auto ascii =
          static_cast<size_t>(std::ranges::find_if_not(input, IsAsciiOctet) - input.begin());
      out.append(input.substr(0, ascii));
      input.remove_prefix(ascii);
      for (; !input.empty() && !IsAsciiOctet(input[0]); input.remove_prefix(1)) {
        out += table[static_cast<unsigned char>(input[0])];
      }
    }
    return {std::move(out), "", ""};
  }

  Utf8Document ConvertStream(std::string input, size_t limit, size_t* bad) {
    constexpr size_t kMostExpansion = 3;
    std::string out;
    out.reserve(std::min(kMostExpansion * input.size(), limit));  // growing would copy it
    char* in = input.data();
    size_t left = input.size();
    char buffer[16 * 1024];
    while (left > 0) {
      char* to = buffer;
      size_t room = sizeof(buffer);
      const size_t result = iconv(handle_, &in, &left, &to, &room);
      const bool meaningless = result == static_cast<size_t>(-1) && errno != E2BIG;
      const size_t got = sizeof(buffer) - room;
      if (out.size() + got + kReplacement.size() > limit) return TooLarge(limit);
      out.append(buffer, got);
      if (!meaningless) continue;
      out += kReplacement;
      if (++*bad > kMaxBadCharacters) {
        return Refusal("charset_broken", fmt::format("over {} characters have no meaning in {}",
                                                     kMaxBadCharacters, charset_.name));
      }
      const size_t skip = std::min(charset_.unit, left);
      in += skip;
      left -= skip;
    }
    return {std::move(out), "", ""};
  }

  const Charset charset_;
  iconv_t handle_;
};

// The value of encoding= in the XML declaration, lower case; empty if there is none.
std::string DeclaredCharset(std::string_view document) {
  const std::string_view head = document.substr(0, kDeclarationBytes);
  const size_t begin = head.find("<?xml");
  if (begin == std::string_view::npos) return "";
  const std::string_view declaration =
      head.substr(begin, head.find_first_of("<>", begin + 1) - begin);
  size_t at = declaration.find("encoding");
  if (at == std::string_view::npos) return "";
  at = declaration.find_first_not_of(" \t\r\n=\"'", at + 8);
  if (at == std::string_view::npos) return "";
  const size_t end = declaration.find_first_of(" \t\r\n\"'?>", at);
  return AsciiLower(declaration.substr(at, end == std::string_view::npos ? end : end - at));
}

// By mark or by the bytes of the first tag; UTF-8 if neither says otherwise.
Charset SniffedCharset(std::string_view d) {
  if (d.starts_with("\xEF\xBB\xBF"sv)) return {.mark_bytes = 3};
  if (d.starts_with("\xFF\xFE\0\0"sv)) return {"UTF-32LE", 4, 4};
  if (d.starts_with("\0\0\xFE\xFF"sv)) return {"UTF-32BE", 4, 4};
  if (d.starts_with("\xFF\xFE"sv)) return {"UTF-16LE", 2, 2};
  if (d.starts_with("\xFE\xFF"sv)) return {"UTF-16BE", 2, 2};
  const size_t tag = d.substr(0, kDeclarationBytes).find('<');
  if (tag == std::string_view::npos || tag + 1 >= d.size()) return {};
  if (tag % 2 == 0 && d[tag + 1] == '\0') return {"UTF-16LE", 2, 0};
  if (tag % 2 == 1 && d[tag - 1] == '\0' && d[tag + 1] == '\0') return {"UTF-16BE", 2, 0};
  return {};
}

struct Label {
  std::string_view label;
  const char* name;
  bool by_octet = true;
};
// ISO-8859-1 is read as windows-1252, as browsers do: the difference is control characters.
constexpr Label kLabels[] = {{"iso-8859-1", "CP1252"},
                             {"iso8859-1", "CP1252"},
                             {"latin1", "CP1252"},
                             {"latin-1", "CP1252"},
                             {"windows-1252", "CP1252"},
                             {"cp1252", "CP1252"},
                             {"iso-8859-15", "ISO-8859-15"},
                             {"windows-1250", "CP1250"},
                             {"cp1250", "CP1250"},
                             {"iso-8859-2", "ISO-8859-2"},
                             {"windows-1251", "CP1251"},
                             {"cp1251", "CP1251"},
                             {"iso-8859-5", "ISO-8859-5"},
                             {"windows-1253", "CP1253"},
                             {"windows-1254", "CP1254"},
                             {"iso-8859-9", "ISO-8859-9"},
                             {"windows-1255", "CP1255", false},
                             {"windows-1256", "CP1256"},
                             {"windows-1257", "CP1257"},
                             {"windows-1258", "CP1258", false},
                             {"koi8-r", "KOI8-R"},
                             {"koi8-u", "KOI8-U"},
                             {"shift_jis", "CP932", false},
                             {"shift-jis", "CP932", false},
                             {"sjis", "CP932", false},
                             {"windows-31j", "CP932", false},
                             {"euc-jp", "EUC-JP", false},
                             {"iso-2022-jp", "ISO-2022-JP", false},
                             {"gb2312", "GBK", false},
                             {"gbk", "GBK", false},
                             {"gb18030", "GB18030", false},
                             {"big5", "BIG5", false},
                             {"euc-kr", "EUC-KR", false}};

bool IsAscii(std::string_view text) { return std::ranges::all_of(text, IsAsciiOctet); }

// `document` may be its beginning only.
Charset ChooseCharset(std::string_view document, RepairLog& log) {
  Charset charset = SniffedCharset(document);
  if (charset.name != nullptr || charset.mark_bytes > 0) return charset;
  const std::string label = DeclaredCharset(document);
  if (label.starts_with("utf-16") || label.starts_with("utf-32") || label.starts_with("ucs-")) {
    log.Add("charset_mismatch", "", label, "utf-8", Effect::kCosmetic);
  } else if (!label.empty() && label != "utf-8" && label != "utf8" && label != "us-ascii" &&
             label != "ascii") {
    const auto* const known = std::ranges::find(kLabels, label, &Label::label);
    if (known == std::end(kLabels)) {
      log.Add("charset_unknown", "", label, "utf-8", Effect::kCosmetic);
    } else if (std::string_view(known->name).starts_with("ISO-2022") || !IsAscii(document)) {
      charset.name = known->name;
      charset.by_octet = known->by_octet;
    }
  }
  return charset;
}

}  // namespace

bool NeedsConversion(std::string_view head) {
  RepairLog log(0);
  return ChooseCharset(head, log).name != nullptr;
}

Utf8Document ToUtf8Document(std::string document, size_t limit, RepairLog& log) {
  const Charset charset = ChooseCharset(document, log);
  if (charset.mark_bytes > 0) document.erase(0, charset.mark_bytes);
  if (charset.name == nullptr) return {std::move(document), "", ""};
  if (document.size() > limit) return TooLarge(limit);
  Converter converter(charset);
  if (!converter.ok()) {
    log.Add("charset_unknown", "", charset.name, "utf-8", Effect::kCosmetic);
    return {std::move(document), "", ""};
  }
  size_t bad = 0;
  Utf8Document converted = converter.Convert(std::move(document), limit, &bad);
  // In which element they stand is found when a domain turns out to hold U+FFFD.
  if (bad > 0) log.Add("bad_bytes", "", charset.name, "U+FFFD", Effect::kCosmetic);
  return converted;
}

}  // namespace dmarcate
