#include "lib/report/charset.h"

#include <iconv.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "lib/base/text.h"

namespace dmarcate {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr size_t kDeclarationBytes = 1024;

class Converter {
 public:
  explicit Converter(const char* from) : handle_(iconv_open("UTF-8", from)) {}
  ~Converter() {
    if (ok()) iconv_close(handle_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  bool ok() const { return handle_ != reinterpret_cast<iconv_t>(-1); }  // NOLINT: iconv's own idiom

  // `unit` is the size of a code unit: what is skipped where the input has no meaning.
  std::string Convert(std::string input, size_t unit, bool& bad_bytes) {
    std::string out;
    out.reserve(input.size() + input.size() / 8);
    char* in = input.data();
    size_t left = input.size();
    char buffer[16 * 1024];
    while (left > 0) {
      char* to = buffer;
      size_t room = sizeof(buffer);
      const size_t result = iconv(handle_, &in, &left, &to, &room);
      out.append(buffer, sizeof(buffer) - room);
      if (result != static_cast<size_t>(-1) || errno == E2BIG) continue;
      out += kReplacement;
      bad_bytes = true;
      const size_t skip = std::min(unit, left);
      in += skip;
      left -= skip;
    }
    return out;
  }

 private:
  iconv_t handle_;
};

struct Charset {
  const char* name = nullptr;  // for iconv; nullptr: UTF-8
  size_t unit = 1;
  size_t mark_bytes = 0;  // of the byte order mark
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
                             {"windows-1255", "CP1255"},
                             {"windows-1256", "CP1256"},
                             {"windows-1257", "CP1257"},
                             {"windows-1258", "CP1258"},
                             {"koi8-r", "KOI8-R"},
                             {"koi8-u", "KOI8-U"},
                             {"shift_jis", "CP932"},
                             {"shift-jis", "CP932"},
                             {"sjis", "CP932"},
                             {"windows-31j", "CP932"},
                             {"euc-jp", "EUC-JP"},
                             {"iso-2022-jp", "ISO-2022-JP"},
                             {"gb2312", "GBK"},
                             {"gbk", "GBK"},
                             {"gb18030", "GB18030"},
                             {"big5", "BIG5"},
                             {"euc-kr", "EUC-KR"}};

bool IsAscii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<signed char>(c) >= 0; });
}

}  // namespace

std::string ToUtf8Document(std::string document, RepairLog& log) {
  Charset charset = SniffedCharset(document);
  if (charset.name == nullptr && charset.mark_bytes == 0) {
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
      }
    }
  }
  if (charset.mark_bytes > 0) document.erase(0, charset.mark_bytes);
  if (charset.name == nullptr) return document;
  Converter converter(charset.name);
  if (!converter.ok()) {
    log.Add("charset_unknown", "", charset.name, "utf-8", Effect::kCosmetic);
    return document;
  }
  bool bad_bytes = false;
  std::string converted = converter.Convert(std::move(document), charset.unit, bad_bytes);
  // In which element they stand is found when a domain turns out to hold U+FFFD.
  if (bad_bytes) log.Add("bad_bytes", "", charset.name, "U+FFFD", Effect::kCosmetic);
  return converted;
}

}  // namespace dmarcate
