#include "lib/mail/dkim_canonical.h"

#include <algorithm>
#include <cstring>

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/mailauth/chars.h"

namespace dmarcate {
namespace {

// Hashes what is put in up to a limit. Small pieces are gathered first.
class LimitedHash {
 public:
  explicit LimitedHash(std::optional<uint64_t> limit) : left_(limit) {}

  void Put(std::string_view piece) {
    if (left_.has_value()) {
      piece = piece.substr(0, static_cast<size_t>(std::min<uint64_t>(piece.size(), *left_)));
      *left_ -= piece.size();
    }
    octets_ += piece.size();
    if (filled_ + piece.size() > sizeof(buffer_)) Flush();
    if (piece.size() > sizeof(buffer_)) {
      hash_.Update(piece);
      return;
    }
    if (piece.empty()) return;
    std::memcpy(buffer_ + filled_, piece.data(), piece.size());
    filled_ += piece.size();
  }
  bool full() const { return left_ == uint64_t{0}; }

  DkimBodyHash Finish() {
    Flush();
    return {hash_.Finish(), octets_, !left_.has_value() || full()};
  }

 private:
  void Flush() {
    hash_.Update({buffer_, filled_});
    filled_ = 0;
  }

  std::optional<uint64_t> left_;
  uint64_t octets_ = 0;
  Sha256Stream hash_;
  char buffer_[4096];
  size_t filled_ = 0;
};

// `body` without what canonicalization takes away at its end: empty lines, in relaxed form also
// those of blanks alone, and the blanks of the last line that stays; its line end, too.
std::string_view WithoutTail(std::string_view body, DkimCanonicalization canonicalization) {
  while (!body.empty()) {
    if (body.back() == '\n') {
      body.remove_suffix(1);
      if (!body.empty() && body.back() == '\r') body.remove_suffix(1);
    } else if (canonicalization == DkimCanonicalization::kRelaxed && IsBlank(body.back())) {
      body.remove_suffix(1);
    } else {
      break;
    }
  }
  return body;
}

// Runs of blanks as one; `line` does not end in blanks.
template <typename Put>
void PutCompressed(std::string_view line, const Put& put) {
  size_t at = 0;
  while (at < line.size()) {
    size_t end = at;
    while (end < line.size() && !IsBlank(line[end])) ++end;
    put(line.substr(at, end - at));
    if (end == line.size()) return;
    put(" ");
    while (end < line.size() && IsBlank(line[end])) ++end;
    at = end;
  }
}

// `value` with CRLF at each line end.
void AppendWithCrlf(std::string_view value, std::string& out) {
  size_t at = 0;
  while (at < value.size()) {
    const TextLine line = LineAt(value, at);
    out.append(line.text);
    if (line.next > at + line.text.size()) out.append("\r\n");
    at = line.next;
  }
}

// `value` with its line ends taken out, blanks compressed and trimmed.
void AppendRelaxed(std::string_view value, std::string& out) {
  std::string unfolded;
  size_t at = 0;
  while (at < value.size()) {
    const TextLine line = LineAt(value, at);
    unfolded.append(line.text);
    at = line.next;
  }
  PutCompressed(TrimBlanks(unfolded), [&out](std::string_view piece) { out.append(piece); });
}

std::string Canonical(const HeaderField& field, std::string_view value,
                      DkimCanonicalization canonicalization) {
  std::string out;
  out.reserve(field.name.size() + value.size() + 8);
  if (canonicalization == DkimCanonicalization::kRelaxed) {
    out = AsciiLower(field.name) + ":";
    AppendRelaxed(value, out);
    return out;
  }
  // With the blanks between name and colon.
  out.append(field.name.data(), field.value.data());
  AppendWithCrlf(value, out);
  return out;
}

}  // namespace

DkimBodyHash HashDkimBody(std::string_view body, DkimCanonicalization canonicalization,
                          std::optional<uint64_t> limit) {
  const bool relaxed = canonicalization == DkimCanonicalization::kRelaxed;
  LimitedHash hash(limit);
  const auto put = [&hash](std::string_view piece) { hash.Put(piece); };
  const std::string_view text = WithoutTail(body, canonicalization);
  size_t at = 0;
  while (at < text.size() && !hash.full()) {
    const TextLine line = LineAt(text, at);
    // LineAt gives a CR at the very end of the text to the line, where it belongs.
    std::string_view content = line.text;
    if (relaxed) {
      while (!content.empty() && IsBlank(content.back())) content.remove_suffix(1);
      PutCompressed(content, put);
    } else {
      put(content);
    }
    put("\r\n");
    at = line.next;
  }
  if (text.empty() && !relaxed) put("\r\n");  // section 3.4.3: an empty body is one CRLF
  return hash.Finish();
}

std::string CanonicalField(const HeaderField& field, DkimCanonicalization canonicalization) {
  return Canonical(field, field.value, canonicalization) + "\r\n";
}

std::string CanonicalSignatureField(const HeaderField& field, const DkimSignature& signature) {
  std::string value(field.value.substr(0, signature.b_begin));
  value.append(field.value.substr(signature.b_end));
  return Canonical(field, value, signature.header);
}

}  // namespace dmarcate
