// TXT data between octets and presentation form (RFC 1035 sections 3.3.14 and 5.1; RFC 3597 section
// 5).
#include <algorithm>
#include <charconv>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/dns/resolver.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxStringOctets = 255;                       // one length octet
constexpr size_t kMaxRdataOctets = 65'535;                     // RDLENGTH
constexpr size_t kMaxTextOctets = 4 * kMaxRdataOctets + 1024;  // every octet as \DDD

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Reads one TXT RDATA. Text is measured in octets of data: the limit of a string holds after
// unescaping.
class TxtReader {
 public:
  explicit TxtReader(std::string_view text) : text_(text) {}

  absl::StatusOr<TxtRecord> Read() {
    if (text_.size() > kMaxTextOctets) return Error("text too long for one record");
    while (true) {
      DMARCATE_RETURN_IF_ERROR(SkipBlanks());
      if (AtEnd()) break;
      if (record_.strings.empty() && text_.substr(at_).starts_with("\\#")) return ReadGeneric();
      DMARCATE_RETURN_IF_ERROR(text_[at_] == '"' ? ReadQuoted() : ReadBare());
    }
    if (depth_ != 0) return Error("parenthesis is not closed");
    if (record_.strings.empty()) return Error("no character-string");
    if (octets_ > kMaxRdataOctets) return Error("record over 65535 octets");
    return std::move(record_);
  }

 private:
  bool AtEnd() const { return at_ >= text_.size(); }

  absl::Status Error(std::string_view why) const {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("txt data, octet {}: {}", at_ + 1, why));
  }

  // Blanks, comments and parentheses: what stands between strings. A line break ends the entry
  // unless a parenthesis is open.
  absl::Status SkipBlanks() {
    for (; !AtEnd(); ++at_) {
      const char c = text_[at_];
      if (c == ' ' || c == '\t' || c == '\r') continue;
      if (c == '\n') {
        if (depth_ == 0 && !TrimAscii(text_.substr(at_)).empty()) return Error("second line");
      } else if (c == '(') {
        ++depth_;
      } else if (c == ')') {
        if (depth_ == 0) return Error("parenthesis was not opened");
        --depth_;
      } else if (c == ';') {
        while (at_ + 1 < text_.size() && text_[at_ + 1] != '\n') ++at_;
      } else {
        break;
      }
    }
    return absl::OkStatus();
  }

  // The octet at a backslash: \DDD decimal, or the next octet itself.
  absl::StatusOr<char> ReadEscape() {
    ++at_;
    if (AtEnd()) return Error("backslash at the end");
    if (!IsDigit(text_[at_])) return text_[at_++];
    const std::string_view digits = text_.substr(at_, 3);
    unsigned value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.size() != 3 || error != std::errc() || end != digits.data() + 3) {
      return Error("a decimal escape has three digits");
    }
    if (value > 255) return Error("decimal escape over 255");
    at_ += 3;
    return static_cast<char>(static_cast<unsigned char>(value));
  }

  absl::Status Append(std::string& string, char c) {
    if (string.size() == kMaxStringOctets) return Error("character-string over 255 octets");
    string += c;
    return absl::OkStatus();
  }

  absl::Status Finish(std::string string) {
    octets_ += string.size() + 1;
    record_.strings.push_back(std::move(string));
    return absl::OkStatus();
  }

  absl::Status ReadQuoted() {
    const size_t start = at_++;
    std::string string;
    while (!AtEnd() && text_[at_] != '"') {
      char c = text_[at_];
      if (c == '\\') {
        DMARCATE_ASSIGN_OR_RETURN(c, ReadEscape());
      } else if (c == '\n') {
        return Error("line break inside quotes");
      } else {
        ++at_;
      }
      DMARCATE_RETURN_IF_ERROR(Append(string, c));
    }
    if (AtEnd()) {
      at_ = start;
      return Error("quote is not closed");
    }
    ++at_;
    return Finish(std::move(string));
  }

  absl::Status ReadBare() {
    std::string string;
    while (!AtEnd()) {
      char c = text_[at_];
      if (std::string_view(" \t\r\n;()").find(c) != std::string_view::npos) break;
      if (c == '"') return Error("quote inside a bare word");
      if (c == '\\') {
        DMARCATE_ASSIGN_OR_RETURN(c, ReadEscape());
      } else {
        ++at_;
      }
      DMARCATE_RETURN_IF_ERROR(Append(string, c));
    }
    return Finish(std::move(string));
  }

  // \# LENGTH HEX...: RFC 3597.
  absl::StatusOr<TxtRecord> ReadGeneric() {
    at_ += 2;
    std::vector<std::string_view> words;
    while (true) {
      DMARCATE_RETURN_IF_ERROR(SkipBlanks());
      if (AtEnd()) break;
      const size_t start = at_;
      while (!AtEnd() &&
             std::string_view(" \t\r\n;()").find(text_[at_]) == std::string_view::npos) {
        ++at_;
      }
      words.push_back(text_.substr(start, at_ - start));
    }
    size_t length = 0;
    if (words.empty()) return Error("generic data without a length");
    const auto [end, error] =
        std::from_chars(words[0].data(), words[0].data() + words[0].size(), length);
    if (error != std::errc() || end != words[0].data() + words[0].size()) {
      return Error("generic data: bad length");
    }
    std::string hex;
    for (size_t i = 1; i < words.size(); ++i) hex += words[i];
    const std::string data = FromHex(hex);
    if (length == 0 || data.size() != length || length > kMaxRdataOctets) {
      return Error("generic data: length and hex digits differ");
    }
    for (size_t i = 0; i < data.size();) {
      const size_t size = static_cast<unsigned char>(data[i]);
      if (i + 1 + size > data.size()) return Error("generic data: string past the end");
      record_.strings.push_back(data.substr(i + 1, size));
      i += 1 + size;
    }
    if (depth_ != 0) return Error("parenthesis is not closed");
    return std::move(record_);
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  size_t octets_ = 0;
  TxtRecord record_;
};

}  // namespace

std::string TxtRecord::Joined() const { return Join(strings, ""); }

std::string TxtRecord::ToPresentation() const {
  std::string out;
  for (const std::string& string : strings) {
    out += out.empty() ? "\"" : " \"";
    for (const unsigned char c : string) {
      if (c == '"' || c == '\\') {
        out += '\\';
        out += static_cast<char>(c);
      } else if (c < 0x20 || c > 0x7E) {
        fmt::format_to(std::back_inserter(out), "\\{:03}", c);
      } else {
        out += static_cast<char>(c);
      }
    }
    out += '"';
  }
  return out;
}

TxtRecord MakeTxtRecord(std::string_view text) {
  TxtRecord record;
  do {
    record.strings.emplace_back(text.substr(0, kMaxStringOctets));
    text.remove_prefix(record.strings.back().size());
  } while (!text.empty());
  return record;
}

absl::StatusOr<TxtRecord> ParseTxtPresentation(std::string_view text) {
  return TxtReader(text).Read();
}

}  // namespace dmarcate
