#include "lib/mail/mbox.h"

#include <algorithm>

#include "lib/base/text.h"
#include "lib/mail/header.h"

namespace dmarcate {
namespace {

constexpr std::string_view kFrom = "From ";
constexpr std::string_view kLineFrom = "\nFrom ";
// Of two lines; what has not ended by then is judged by its beginning.
constexpr size_t kJudgedBytes = 64 << 10;
constexpr size_t kContextBytes = 3;  // that IsBoundary() looks at before a line end

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

// Whether the line end at `at` is a blank line's, and a message begins after it.
bool IsBoundary(std::string_view text, size_t at) {
  const std::string_view before = text.substr(0, at);
  const bool blank_before =
      before.ends_with('\n') || before.ends_with("\n\r") || before.empty() || before == "\r";
  return blank_before && BeginsMessage(text, at + 1);
}

// The next "From " line that begins a message, at or after `at`, or the end.
size_t FindMessage(std::string_view text, size_t at) {
  while (true) {
    at = text.find(kLineFrom, at);
    if (at == std::string_view::npos) return text.size();
    if (IsBoundary(text, at)) return at + 1;
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

MboxSplitter::MboxSplitter(size_t message_limit) : message_limit_(message_limit) {}

void MboxSplitter::Append(std::string_view piece) {
  buffer_.erase(0, begin_);
  offset_ += static_cast<int64_t>(begin_);
  search_ -= begin_;
  begin_ = 0;
  buffer_ += piece;
}

std::optional<MboxMessage> MboxSplitter::Next() {
  if (lead_) {
    const size_t at = SkipLead(buffer_);
    if (!CanJudge(at)) return std::nullopt;
    lead_ = false;
    search_ = at;
    if (BeginsMessage(buffer_, at)) Begin(at);
  }
  bool found = FindBoundary();
  if (found && !begun_) {  // what stands before the first message is no message
    Begin(search_);
    found = FindBoundary();
  }
  if (!found && !ended_) PassOver();
  if (!begun_ || (!found && !ended_)) return std::nullopt;
  const size_t end = found ? search_ : buffer_.size();
  MboxMessage message;
  message.offset = message_offset_;
  message.size = offset_ + static_cast<int64_t>(end) - message_offset_;
  const size_t body = passed_over_ ? end : LineAt(buffer_, begin_).next;
  message.too_large = passed_over_ || end - body > message_limit_;
  if (!message.too_large) {
    message.content = Unescape(std::string_view(buffer_).substr(body, end - body));
  }
  Begin(end);
  begun_ = found;
  return message;
}

void MboxSplitter::Begin(size_t at) {
  begin_ = search_ = at;
  message_offset_ = offset_ + static_cast<int64_t>(at);
  begun_ = true;
  passed_over_ = false;
}

bool MboxSplitter::CanJudge(size_t at) const {
  if (ended_ || buffer_.size() - at >= kJudgedBytes) return true;
  const size_t line_end = buffer_.find('\n', at);
  return line_end != std::string::npos && buffer_.find('\n', line_end + 1) != std::string::npos;
}

bool MboxSplitter::FindBoundary() {
  while (true) {
    const size_t at = buffer_.find(kLineFrom, search_);
    if (at == std::string::npos) {  // but its beginning may be the end of what is here
      search_ = std::max(search_, buffer_.size() - std::min(buffer_.size(), kLineFrom.size() - 1));
      return false;
    }
    search_ = at;
    if (!CanJudge(at + 1)) return false;
    ++search_;
    if (IsBoundary(buffer_, at)) return true;
  }
}

void MboxSplitter::PassOver() {
  if (search_ - begin_ <= message_limit_ + kJudgedBytes) return;
  begin_ = search_ - kContextBytes;
  passed_over_ = true;
}

}  // namespace dmarcate
