#include "lib/imap/response.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kReadBytes = 16 << 10;
constexpr int kDepthLimit = 16;
constexpr size_t kAtomLimitBytes = 1000;

absl::Status Malformed(std::string_view what) {
  return MakeError(absl::StatusCode::kDataLoss, fmt::format("not IMAP: {}", what));
}

std::optional<uint64_t> ParseDigits(std::string_view digits) {
  if (digits.empty() || digits.size() > 18) return std::nullopt;
  uint64_t out = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    out = out * 10 + static_cast<uint64_t>(c - '0');
  }
  return out;
}

// Of "... {123}" the 123; of "{123+}", which only clients may send, nothing.
std::optional<uint64_t> LiteralSize(std::string_view line) {
  if (!line.ends_with('}')) return std::nullopt;
  const size_t open = line.rfind('{');
  if (open == std::string_view::npos) return std::nullopt;
  return ParseDigits(line.substr(open + 1, line.size() - open - 2));
}

std::string_view TakeWord(std::string_view* line) {
  const size_t end = std::min(line->find(' '), line->size());
  const std::string_view word = line->substr(0, end);
  line->remove_prefix(std::min(end + 1, line->size()));
  return word;
}

std::optional<ImapStatusLine::Kind> StatusKind(std::string_view word) {
  using Kind = ImapStatusLine::Kind;
  for (const auto& [name, kind] :
       {std::pair("OK", Kind::kOk), std::pair("NO", Kind::kNo), std::pair("BAD", Kind::kBad),
        std::pair("BYE", Kind::kBye), std::pair("PREAUTH", Kind::kPreauth)}) {
    if (EqualsIgnoreCase(word, name)) return kind;
  }
  return std::nullopt;
}

// Free text follows in these, which may end with "{5}" and mean nothing by it.
bool IsStatusLine(std::string_view line) {
  TakeWord(&line);
  return StatusKind(TakeWord(&line)).has_value();
}

// Walks through a response, literals included.
class Cursor {
 public:
  explicit Cursor(ImapResponse& response) : response_(response) {}

  char Peek() const {
    const std::string& text = response_.text[piece_];
    return at_ < text.size() ? text[at_] : '\0';
  }
  bool Take(char c) {
    if (Peek() != c || c == '\0') return false;
    ++at_;
    return true;
  }
  // Up to a space or parenthesis outside of brackets: "BODY[HEADER.FIELDS (TO)]<0>".
  std::string TakeAtom() {
    std::string out;
    bool bracketed = false;
    for (char c = Peek(); c != '\0' && out.size() < kAtomLimitBytes; c = Peek()) {
      if (!bracketed && (c == ' ' || c == '(' || c == ')' || c == '"')) break;
      if (c == '[') bracketed = true;
      if (c == ']') bracketed = false;
      out += c;
      ++at_;
    }
    return out;
  }
  struct Value {
    enum class Kind { kAtom, kString, kList };
    Kind kind = Kind::kAtom;
    std::string text;  // kAtom, kString
  };
  absl::StatusOr<Value> TakeValue() {
    if (Peek() == '(') return TakeList();
    if (Peek() == '"') return TakeQuoted();
    if (IsLiteralHere()) {
      Value out{Value::Kind::kString, std::move(response_.literals[piece_])};
      ++piece_;
      at_ = 0;
      return out;
    }
    Value out{Value::Kind::kAtom, TakeAtom()};
    if (out.text.empty()) return Malformed("a value is missing");
    return out;
  }
  bool AtEnd() const {
    return piece_ + 1 == response_.text.size() && at_ >= response_.text[piece_].size();
  }

 private:
  // The piece's last word is the literal's size, "~" before it for binary (RFC 3516).
  bool IsLiteralHere() const {
    if (piece_ >= response_.literals.size()) return false;
    std::string_view rest = std::string_view(response_.text[piece_]).substr(at_);
    if (rest.starts_with('~')) rest.remove_prefix(1);
    return rest.starts_with('{') && rest.find('}') == rest.size() - 1;
  }
  absl::StatusOr<Value> TakeQuoted() {
    Value out{Value::Kind::kString, ""};
    ++at_;
    for (; Peek() != '"'; ++at_) {
      if (Peek() == '\\') ++at_;
      if (Peek() == '\0') return Malformed("a quoted string does not end");
      out.text += Peek();
    }
    ++at_;
    return out;
  }
  // Its content is of no interest, only where it ends.
  absl::StatusOr<Value> TakeList() {
    int depth = 0;
    do {
      if (Take('(')) {
        if (++depth > kDepthLimit) return Malformed("lists nest too deep");
      } else if (Take(')')) {
        --depth;
      } else if (!Take(' ')) {
        DMARCATE_ASSIGN_OR_RETURN(const Value ignored, TakeValue());
        static_cast<void>(ignored);
      }
    } while (depth > 0);
    return Value{Value::Kind::kList, ""};
  }

  ImapResponse& response_;
  size_t piece_ = 0, at_ = 0;
};

// "17-Jul-1996 02:44:25 -0700", the day perhaps with a space before it.
std::optional<absl::Time> ParseInternalDate(std::string_view text) {
  absl::Time out;
  std::string error;
  if (!absl::ParseTime("%d-%b-%Y %H:%M:%S %z", std::string(TrimAscii(text)), &out, &error)) {
    return std::nullopt;
  }
  return out;
}

}  // namespace

void ImapResponseReader::Begin(const ImapAnswerLimits& limits) {
  limits_ = limits;
  literal_left_ = limits.literal_bytes;
  responses_left_ = limits.responses;
}

absl::Status ImapResponseReader::Fill() {
  if (at_ == buffer_.size()) {
    buffer_.clear();
    at_ = 0;
  } else if (at_ > kReadBytes) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  const size_t before = buffer_.size();
  buffer_.resize(before + kReadBytes);
  const absl::StatusOr<size_t> got = source_(buffer_.data() + before, kReadBytes);
  buffer_.resize(before + (got.ok() ? *got : 0));
  if (!got.ok()) return got.status();
  if (*got == 0) {
    return MakeError(absl::StatusCode::kUnavailable, "the server closed the connection");
  }
  return absl::OkStatus();
}

absl::Status ImapResponseReader::ReadLine(std::string* out) {
  size_t searched = at_;
  size_t end = buffer_.find('\n', searched);
  while (end == std::string::npos) {
    if (buffer_.size() - at_ > line_left_) {
      return MakeError(absl::StatusCode::kResourceExhausted,
                       fmt::format("a response over {} bytes", limits_.line_bytes));
    }
    const size_t unread = buffer_.size() - at_;
    DMARCATE_RETURN_IF_ERROR(Fill());
    searched = at_ + unread;
    end = buffer_.find('\n', searched);
  }
  const std::string_view line(buffer_.data() + at_, end - at_);
  if (line.size() > line_left_) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     fmt::format("a response over {} bytes", limits_.line_bytes));
  }
  line_left_ -= line.size();
  if (!line.ends_with('\r')) return Malformed("a line that ends with LF alone");
  out->assign(line.substr(0, line.size() - 1));
  at_ = end + 1;
  if (out->find('\r') != std::string::npos) return Malformed("a bare CR");
  if (out->find('\0') != std::string::npos) return Malformed("a NUL");
  return absl::OkStatus();
}

absl::Status ImapResponseReader::ReadLiteral(size_t size, std::string* out) {
  if (size > literal_left_) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     fmt::format("a literal of {} bytes, limit {}", size, limits_.literal_bytes));
  }
  literal_left_ -= size;
  out->clear();
  while (out->size() < size) {
    if (at_ == buffer_.size()) DMARCATE_RETURN_IF_ERROR(Fill());
    const size_t take = std::min(size - out->size(), buffer_.size() - at_);
    out->append(buffer_, at_, take);
    at_ += take;
  }
  return absl::OkStatus();
}

absl::StatusOr<ImapResponse> ImapResponseReader::Next() {
  if (responses_left_-- == 0) {
    responses_left_ = 0;
    return MakeError(absl::StatusCode::kResourceExhausted,
                     fmt::format("over {} responses to one command", limits_.responses));
  }
  line_left_ = limits_.line_bytes;
  ImapResponse out;
  out.text.emplace_back();
  DMARCATE_RETURN_IF_ERROR(ReadLine(&out.text.back()));
  if (out.text[0].empty()) return Malformed("an empty line");
  if (IsStatusLine(out.text[0])) return out;
  while (const auto size = LiteralSize(out.text.back())) {
    out.literals.emplace_back();
    DMARCATE_RETURN_IF_ERROR(ReadLiteral(*size, &out.literals.back()));
    out.text.emplace_back();
    DMARCATE_RETURN_IF_ERROR(ReadLine(&out.text.back()));
    if (out.text.size() > limits_.responses) {
      return MakeError(absl::StatusCode::kResourceExhausted, "too many literals in a response");
    }
  }
  return out;
}

std::optional<ImapStatusLine> ParseStatusLine(const ImapResponse& response) {
  if (response.text.size() != 1) return std::nullopt;
  std::string_view line = response.text[0];
  ImapStatusLine out;
  out.tag = TakeWord(&line);
  const auto kind = StatusKind(TakeWord(&line));
  if (!kind) return std::nullopt;
  out.kind = *kind;
  if (line.starts_with('[')) {
    const size_t end = line.find(']');
    if (end != std::string_view::npos) {
      out.code = line.substr(1, end - 1);
      const size_t name = std::min(out.code.find(' '), out.code.size());
      for (size_t i = 0; i < name; ++i) {
        char& c = out.code[i];
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
      }
      line.remove_prefix(end + 1);
    }
  }
  out.text = TrimAscii(line);
  return out;
}

std::optional<std::string_view> UntaggedData(const ImapResponse& response, std::string_view name) {
  std::string_view line = response.text[0];
  if (response.text.size() != 1 || TakeWord(&line) != "*" ||
      !EqualsIgnoreCase(TakeWord(&line), name)) {
    return std::nullopt;
  }
  return line;
}

std::optional<uint32_t> UntaggedNumber(const ImapResponse& response, std::string_view name) {
  std::string_view line = response.text[0];
  if (response.text.size() != 1 || TakeWord(&line) != "*") return std::nullopt;
  const auto number = ParseImapNumber(TakeWord(&line));
  return EqualsIgnoreCase(TrimAscii(line), name) ? number : std::nullopt;
}

std::optional<uint32_t> ParseImapNumber(std::string_view text) {
  const auto number = ParseDigits(text);
  if (!number || *number > UINT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

absl::StatusOr<std::optional<ImapFetchItem>> ParseFetch(ImapResponse response) {
  Cursor cursor(response);
  if (cursor.TakeAtom() != "*" || !cursor.Take(' ') || !ParseImapNumber(cursor.TakeAtom()) ||
      !cursor.Take(' ') || !EqualsIgnoreCase(cursor.TakeAtom(), "FETCH")) {
    return std::optional<ImapFetchItem>();
  }
  if (!cursor.Take(' ') || !cursor.Take('(')) return Malformed("FETCH without a list");
  ImapFetchItem out;
  while (!cursor.Take(')')) {
    const std::string name = cursor.TakeAtom();
    if (name.empty() || !cursor.Take(' ')) return Malformed("FETCH with a broken item");
    DMARCATE_ASSIGN_OR_RETURN(auto value, cursor.TakeValue());
    using Kind = Cursor::Value::Kind;
    if (EqualsIgnoreCase(name, "UID")) {
      const auto uid = ParseImapNumber(value.text);
      if (value.kind != Kind::kAtom || !uid || *uid == 0)
        return Malformed("FETCH with a broken UID");
      if (out.uid != 0 && out.uid != *uid) return Malformed("FETCH with two UIDs");
      out.uid = *uid;
    } else if (EqualsIgnoreCase(name, "RFC822.SIZE")) {
      const auto size = ParseDigits(value.text);
      if (value.kind != Kind::kAtom || !size) return Malformed("FETCH with a broken size");
      out.size_bytes = *size;
    } else if (EqualsIgnoreCase(name, "INTERNALDATE")) {
      out.internal_date = ParseInternalDate(value.text);
    } else if (EqualsIgnoreCase(name, "BODY[]")) {
      if (out.has_body) return Malformed("FETCH with two bodies");
      out.has_body = true;
      if (value.kind == Kind::kString) {
        out.body = std::move(value.text);
      } else if (!EqualsIgnoreCase(value.text, "NIL")) {
        return Malformed("FETCH with a broken body");
      }
    }
    if (!cursor.Take(' ') && cursor.Peek() != ')') return Malformed("FETCH with a broken list");
  }
  if (!cursor.AtEnd()) return Malformed("FETCH with more after its list");
  return std::optional(std::move(out));
}

}  // namespace dmarcate
