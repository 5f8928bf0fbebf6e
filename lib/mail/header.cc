#include "lib/mail/header.h"

#include <algorithm>

#include "lib/base/text.h"

namespace dmarcate {
namespace {

// The length of the field name at the head of `line`, or 0 if there is none.
size_t FieldNameLength(std::string_view line) {
  size_t i = 0;
  while (i < line.size() && line[i] > ' ' && line[i] < '\x7F' && line[i] != ':') ++i;
  size_t colon = i;
  while (colon < line.size() && (line[colon] == ' ' || line[colon] == '\t')) ++colon;
  return colon < line.size() && line[colon] == ':' ? i : 0;
}

}  // namespace

TextLine LineAt(std::string_view text, size_t at) {
  const size_t end = text.find('\n', at);
  if (end == std::string_view::npos) return {text.substr(at), text.size()};
  std::string_view line = text.substr(at, end - at);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return {line, end + 1};
}

size_t HeaderBegin(std::string_view text, size_t at) {
  if (text.substr(at).starts_with("\xEF\xBB\xBF")) at += 3;
  while (at < text.size()) {
    const TextLine line = LineAt(text, at);
    const bool skip = TrimAscii(line.text).empty() || line.text.starts_with("From ") ||
                      line.text.starts_with(">From ");
    if (!skip) break;
    at = line.next;
  }
  return at;
}

bool IsHeaderLine(std::string_view line) { return FieldNameLength(line) > 0; }

std::optional<HeaderField> HeaderReader::Next() {
  if (at_ >= text_.size()) return std::nullopt;
  TextLine line = LineAt(text_, at_);
  if (TrimAscii(line.text).empty()) {
    at_ = line.next;
    return std::nullopt;
  }
  const size_t name_length = FieldNameLength(line.text);
  if (name_length == 0) return std::nullopt;
  const size_t begin = at_;
  const size_t value_begin = text_.find(':', begin + name_length) + 1;
  size_t end = begin + line.text.size();
  at_ = line.next;
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) {
    line = LineAt(text_, at_);
    // A line of blanks alone ends the section: RFC 5322 forbids it within a fold, and some senders
    // write it where the empty line belongs.
    if (TrimAscii(line.text).empty()) break;
    end = at_ + line.text.size();
    at_ = line.next;
  }
  return HeaderField{text_.substr(begin, name_length),
                     text_.substr(value_begin, end - value_begin)};
}

std::string UnfoldValue(std::string_view value) {
  value = TrimAscii(value).substr(0, kMaxValueBytes);
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7F'; };
  if (std::ranges::none_of(value, is_control)) return std::string(value);
  std::string out;
  out.reserve(value.size());
  for (const char c : value) {
    if (c == '\r' || c == '\n') continue;
    out.push_back(is_control(c) ? ' ' : c);
  }
  return out;
}

std::optional<std::string> FindField(std::string_view section, std::string_view name) {
  HeaderReader reader(section);
  while (const auto field = reader.Next()) {
    if (EqualsIgnoreCase(field->name, name)) return UnfoldValue(field->value);
  }
  return std::nullopt;
}

}  // namespace dmarcate
