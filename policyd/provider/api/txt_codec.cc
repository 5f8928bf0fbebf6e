#include "policyd/provider/api/txt_codec.h"

#include <algorithm>

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxStringOctets = 255;

absl::Status Refuse(std::string_view why) {
  return MakeError(absl::StatusCode::kInvalidArgument, why);
}

// What JSON and a control panel can carry as it is.
absl::Status CheckPlain(std::string_view text) {
  if (!IsValidUtf8(text)) return Refuse("the host's API carries text only, and this is no UTF-8");
  if (std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    return Refuse("the host's API carries no control characters");
  }
  return absl::OkStatus();
}

std::string EncodeOctal(const TxtRecord& record) {
  std::string out;
  for (const std::string& string : record.strings) {
    out += out.empty() ? "\"" : " \"";
    for (const unsigned char c : string) {
      if (c == '"' || c == '\\') {
        out += '\\';
        out += static_cast<char>(c);
      } else if (c < 0x20 || c > 0x7E) {
        out += fmt::format("\\{:03o}", c);
      } else {
        out += static_cast<char>(c);
      }
    }
    out += '"';
  }
  return out;
}

bool IsOctal(char c) { return c >= '0' && c <= '7'; }

absl::StatusOr<TxtRecord> DecodeOctal(std::string_view text) {
  TxtRecord record;
  size_t at = 0;
  const auto skip_blanks = [&] {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
  };
  for (skip_blanks(); at < text.size(); skip_blanks()) {
    if (text[at] != '"') return Refuse(fmt::format("octet {}: a quote is wanted", at));
    ++at;
    std::string& string = record.strings.emplace_back();
    while (at < text.size() && text[at] != '"') {
      char c = text[at++];
      if (c == '\\') {
        if (at == text.size()) return Refuse("a backslash at the end");
        c = text[at++];
        if (c >= '0' && c <= '9') {
          if (text.size() - at < 2 || c > '3' || !IsOctal(text[at]) || !IsOctal(text[at + 1])) {
            return Refuse(fmt::format("octet {}: \\ and three octal digits are wanted", at - 2));
          }
          c = static_cast<char>((c - '0') * 64 + (text[at] - '0') * 8 + (text[at + 1] - '0'));
          at += 2;
        }
      }
      string += c;
    }
    if (at == text.size()) return Refuse("a quote is not closed");
    ++at;
    if (string.size() > kMaxStringOctets) return Refuse("a string of over 255 octets");
  }
  if (record.strings.empty()) return Refuse("no string");
  return record;
}

}  // namespace

absl::StatusOr<std::string> EncodeTxt(TxtForm form, const TxtRecord& record) {
  if (form == TxtForm::kQuoted || form == TxtForm::kQuotedOrRaw) return record.ToPresentation();
  if (form == TxtForm::kQuotedOctal) return EncodeOctal(record);
  const std::string text = record.Joined();
  DMARCATE_RETURN_IF_ERROR(CheckPlain(text));
  if (form == TxtForm::kOnePair) {
    if (text.find('"') != std::string::npos) return Refuse("the host takes no quote in a text");
    return "\"" + text + "\"";
  }
  if (text.size() > 1 && text.starts_with('"') && text.ends_with('"')) {
    return Refuse("the host would take the quotes at the ends as quoting");
  }
  return text;
}

absl::StatusOr<TxtRecord> DecodeTxt(TxtForm form, std::string_view text) {
  const bool in_quotes = text.size() > 1 && text.starts_with('"') && text.ends_with('"');
  switch (form) {
    case TxtForm::kQuoted:
      return ParseTxtPresentation(text);
    case TxtForm::kQuotedOctal:
      return DecodeOctal(text);
    case TxtForm::kQuotedOrRaw:
      if (in_quotes) return ParseTxtPresentation(text);
      return MakeTxtRecord(text);
    case TxtForm::kOnePair:
      if (!in_quotes) return Refuse("one pair of quotes around the text is wanted");
      text = text.substr(1, text.size() - 2);
      if (text.find('"') != std::string_view::npos) return Refuse("a quote in the text");
      return MakeTxtRecord(text);
    case TxtForm::kRaw:
      return MakeTxtRecord(text);
  }
  return Refuse("unknown form");
}

absl::StatusOr<std::vector<std::string>> EncodeTxtStrings(const TxtRecord& record) {
  DMARCATE_RETURN_IF_ERROR(CheckPlain(record.Joined()));
  if (std::ranges::all_of(record.strings, [](const std::string& s) { return IsValidUtf8(s); })) {
    return record.strings;
  }
  const std::string joined = record.Joined();
  std::string_view text = joined;
  std::vector<std::string> out;
  while (!text.empty()) {
    size_t end = std::min(text.size(), kMaxStringOctets);
    // Back to the beginning of a character.
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return out;
}

absl::StatusOr<TxtRecord> DecodeTxtStrings(const std::vector<std::string>& strings) {
  if (strings.empty()) return Refuse("no string");
  for (const std::string& string : strings) {
    if (string.size() > kMaxStringOctets) return Refuse("a string of over 255 octets");
  }
  return TxtRecord{strings};
}

}  // namespace dmarcate
