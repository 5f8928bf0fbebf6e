#include "lib/mail/mbox.h"

#include <algorithm>

#include "lib/base/text.h"
#include "lib/mail/header.h"

namespace dmarcate {
namespace {

constexpr std::string_view kFrom = "From ";

// Where the text proper begins: after a byte order mark and blank lines.
size_t SkipLead(std::string_view text) {
  size_t at = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  while (at < text.size() && (text[at] == '\r' || text[at] == '\n')) ++at;
  return at;
}

bool BeginsMessage(std::string_view text, size_t at) {
  if (text.substr(at, kFrom.size()) != kFrom) return false;
  const TextLine line = LineAt(text, at);
  const std::string_view next = LineAt(text, line.next).text;
  return IsHeaderLine(next) || next.starts_with(">From ");
}

// The next "From " line that begins a message, at or after `at`, or the end.
size_t FindMessage(std::string_view text, size_t at) {
  while (true) {
    at = text.find("\nFrom ", at);
    if (at == std::string_view::npos) return text.size();
    const std::string_view before = text.substr(0, at);
    const bool blank_before =
        before.ends_with('\n') || before.ends_with("\n\r") || before.empty() || before == "\r";
    if (blank_before && BeginsMessage(text, at + 1)) return at + 1;
    ++at;
  }
}

// Takes one ">" from lines that begin with any number of them and "From ".
std::string Unescape(std::string_view message) {
  std::string out;
  out.reserve(message.size());
  size_t at = 0;
  while (at < message.size()) {
    const size_t end = std::min(message.find('\n', at), message.size() - 1) + 1;
    std::string_view line = message.substr(at, end - at);
    const size_t quotes = line.find_first_not_of('>');
    if (quotes != std::string_view::npos && quotes > 0 && line.substr(quotes).starts_with(kFrom)) {
      line.remove_prefix(1);
    }
    out += line;
    at = end;
  }
  return out;
}

}  // namespace

bool LooksLikeMbox(std::string_view bytes) { return BeginsMessage(bytes, SkipLead(bytes)); }

MboxReader::MboxReader(std::string_view mbox) : text_(mbox), at_(SkipLead(mbox)) {
  if (!BeginsMessage(text_, at_)) at_ = FindMessage(text_, at_);
}

std::optional<std::string> MboxReader::Next() {
  if (at_ >= text_.size()) return std::nullopt;
  const size_t begin = LineAt(text_, at_).next;
  at_ = FindMessage(text_, begin == 0 ? 0 : begin - 1);
  return Unescape(text_.substr(begin, at_ - begin));
}

}  // namespace dmarcate
