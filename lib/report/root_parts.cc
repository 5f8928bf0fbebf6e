#include "lib/report/root_parts.h"

#include <string.h>  // memmem

#include <algorithm>
#include <cstring>
#include <utility>

#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kTagBytes = 16 << 10;  // no tag of a report is longer
// How often the end of an unknown element is looked for in vain: each time costs the rest of the
// text.
constexpr int kVainSearches = 4;

bool IsRoot(const Token& token) { return EqualsIgnoreCase(token.name, "feedback"); }

bool IsTag(const Token& token) {
  return token.kind == TokenKind::kStart || token.kind == TokenKind::kEmpty ||
         token.kind == TokenKind::kEnd;
}

// Whether more text could change what the token is.
bool MayGrow(const Token& token, std::string_view text) {
  if (token.terminated) return false;
  return token.kind != TokenKind::kInstruction ||
         text.find('<', token.begin + 1) == std::string_view::npos;
}

// Where to look again once more text is there: a '<' near the end may become a tag.
size_t ResumeAt(std::string_view text, size_t looked) {
  const size_t tail = text.size() - std::min(text.size(), kTagBytes);
  const size_t open = text.find('<', std::max(looked, tail));
  return open == std::string_view::npos ? text.size() : open;
}

// string_view::find stops at every '<'; memmem does not.
size_t Find(std::string_view text, std::string_view word, size_t from) {
  const void* const at = memmem(text.data() + from, text.size() - from, word.data(), word.size());
  return at == nullptr ? std::string_view::npos
                       : static_cast<size_t>(static_cast<const char*>(at) - text.data());
}

// The first letter from 'A' to 'Z', at or behind `from`; npos if there is none.
size_t FindCapital(std::string_view text, size_t from) {
  constexpr uint64_t kEach = 0x0101010101010101;
  constexpr uint64_t kHigh = kEach * 0x80;
  uint64_t eight = 0;
  for (; from + sizeof(eight) <= text.size(); from += sizeof(eight)) {
    std::memcpy(&eight, text.data() + from, sizeof(eight));
    const uint64_t low = eight & ~kHigh;  // no sum carries into the next octet
    const uint64_t from_a = low + kEach * (0x80 - 'A'), behind_z = low + kEach * (0x80 - 'Z' - 1);
    if ((from_a & ~behind_z & ~eight & kHigh) != 0) break;
  }
  while (from < text.size() && (text[from] < 'A' || text[from] > 'Z')) ++from;
  return from < text.size() ? from : std::string_view::npos;
}

// Whether "record" or "feedback" stands in `text` with a capital in it.
bool NamesInCapitals(std::string_view text) {
  constexpr size_t kReach = 7;  // from one letter of the longer to another
  for (size_t at = FindCapital(text, 0); at != std::string_view::npos;
       at = FindCapital(text, at + 1)) {
    const size_t begin = at - std::min(at, kReach);
    const std::string near = AsciiLower(text.substr(begin, at - begin + kReach + 1));
    if (near.find("record") != std::string::npos || near.find("feedback") != std::string::npos) {
      return true;
    }
  }
  return false;
}

// The end of the record whose content begins at `begin`, where nothing in it needs a closer look;
// npos else. Only for start tags in lower case: the next one stops the search then, so that no
// byte is searched twice.
size_t PlainRecordEnd(std::string_view text, size_t begin) {
  const size_t word = Find(text, "record", begin);
  constexpr size_t kWord = 6;
  if (word == std::string_view::npos || word + kWord >= text.size()) return std::string_view::npos;
  const std::string_view content = text.substr(begin, word - begin);
  if (!content.ends_with("</") || text[word + kWord] != '>' ||
      Find(content, "<!", 0) != std::string_view::npos ||
      Find(content, "eedback", 0) != std::string_view::npos || NamesInCapitals(content)) {
    return std::string_view::npos;
  }
  return word + kWord + 1;
}

}  // namespace

std::optional<RootPart> RootParts::BeginRecord(const Token& start, MarkupScanner& scanner) {
  block_ = Element::kUnknown;
  if (!first_record_.has_value()) first_record_ = start.begin;
  if (start.kind == TokenKind::kEmpty) {
    return RootPart{.kind = RootPartKind::kRecord, .begin = start.begin, .end = start.end};
  }
  const size_t plain_end =
      start.name == "record" ? PlainRecordEnd(scanner.text(), start.end) : std::string_view::npos;
  if (plain_end == std::string_view::npos) {
    open_ = Open{.is_record = true, .begin = start.begin, .start_end = start.end};
    return std::nullopt;
  }
  scanner.set_position(plain_end);
  return RootPart{.kind = RootPartKind::kRecord, .begin = start.begin, .end = plain_end};
}

std::optional<RootPart> RootParts::InRecord(const Token& token, MarkupScanner& scanner) {
  if (token.kind == TokenKind::kEmpty) return std::nullopt;
  const bool record = ElementOf(token.name) == Element::kRecord;
  if (!record && !IsRoot(token)) return std::nullopt;
  RootPart part{.kind = RootPartKind::kRecord, .begin = open_->begin, .end = token.end};
  if (!record || token.kind == TokenKind::kStart) {
    part.kind = RootPartKind::kUnclosedRecord;
    part.end = token.begin;
    scanner.set_position(token.begin);
  }
  open_.reset();
  return part;
}

std::optional<RootPart> RootParts::EndForeign(size_t end, MarkupScanner& scanner) {
  Open open = *std::exchange(open_, std::nullopt);
  if (open.same > 0 && !open.foreign) {  // a stray tag, no element
    ++vain_searches_;
    scanner.set_position(open.start_end);
    return std::nullopt;
  }
  scanner.set_position(end);
  return RootPart{.kind = RootPartKind::kForeign,
                  .begin = open.begin,
                  .end = end,
                  .name = std::move(open.name),
                  .depth = open.deepest};
}

std::optional<RootPart> RootParts::InForeign(const Token& token, MarkupScanner& scanner) {
  if (IsRoot(token)) return EndForeign(token.begin, scanner);
  Open& open = *open_;
  const bool same_name = token.name == open.name && token.prefix == open.prefix;
  if (token.kind == TokenKind::kStart) {
    open.deepest = std::max(open.deepest, ++open.depth);
    if (same_name) ++open.same;
  } else if (token.kind == TokenKind::kEnd) {
    --open.depth;
    if (same_name && --open.same == 0) return EndForeign(token.end, scanner);
  }
  return std::nullopt;
}

std::optional<RootPart> RootParts::AtRoot(const Token& token, MarkupScanner& scanner) {
  const bool end = token.kind == TokenKind::kEnd;
  if (IsRoot(token)) {
    return RootPart{.kind = end ? RootPartKind::kRootEnd : RootPartKind::kNextRoot,
                    .begin = token.begin,
                    .end = token.end};
  }
  const Element element = ElementOf(token.name);
  if (element == Element::kRecord) {
    return end ? std::nullopt : BeginRecord(token, scanner);
  }
  const bool start = token.kind == TokenKind::kStart;
  if (element == Element::kReportMetadata || element == Element::kPolicyPublished) {
    if (!end && first_record_.has_value()) late_frame_ = true;
    if (start) block_ = element;
    if (end && block_ == element) block_ = Element::kUnknown;
  } else if (start && block_ == Element::kUnknown &&
             (element == Element::kUnknown || element == Element::kExtension)) {
    const bool foreign =
        element == Element::kExtension || (!token.prefix.empty() && token.prefix != root_prefix_);
    if (foreign || vain_searches_ < kVainSearches) {
      open_ = Open{.begin = token.begin,
                   .start_end = token.end,
                   .foreign = foreign,
                   .name = std::string(token.name),
                   .prefix = std::string(token.prefix)};
    }
  }
  return std::nullopt;
}

std::optional<RootPart> RootParts::AtTextEnd(size_t readable, MarkupScanner& scanner) {
  const size_t end = scanner.text().size();
  scanner.set_position(end);
  if (!open_.has_value()) {
    return RootPart{.kind = RootPartKind::kTextEnd, .begin = readable, .end = end};
  }
  if (!open_->is_record) return EndForeign(end, scanner);
  const size_t begin = std::exchange(open_, std::nullopt)->begin;
  return RootPart{.kind = RootPartKind::kUnclosedRecord, .begin = begin, .end = end};
}

std::optional<RootPart> RootParts::Next(MarkupScanner& scanner, TextEnd text_end) {
  while (true) {
    const size_t looked = scanner.position();
    std::optional<Token> token = scanner.Next();
    size_t readable = scanner.text().size();
    if (token.has_value() && MayGrow(*token, scanner.text())) {
      if (text_end == TextEnd::kMayMove) {
        scanner.set_position(token->begin);
        return std::nullopt;
      }
      if (token->kind == TokenKind::kInstruction) continue;
      readable = token->begin;
      token.reset();
    }
    std::optional<RootPart> part;
    if (!token.has_value()) {
      if (text_end == TextEnd::kMayMove) {
        scanner.set_position(ResumeAt(scanner.text(), looked));
        return std::nullopt;
      }
      part = AtTextEnd(readable, scanner);
    } else if (IsTag(*token)) {
      part = !open_.has_value() ? AtRoot(*token, scanner)
             : open_->is_record ? InRecord(*token, scanner)
                                : InForeign(*token, scanner);
    }
    if (part.has_value()) return part;
  }
}

void RootParts::Erase(size_t bytes) {
  if (!open_.has_value()) return;
  open_->begin -= std::min(open_->begin, bytes);
  open_->start_end -= std::min(open_->start_end, bytes);
}

}  // namespace dmarcate
