#include "lib/report/record_cutter.h"

#include <string.h>  // memmem

#include <algorithm>

#include "lib/base/text.h"
#include "lib/report/element.h"
#include "lib/report/root_finder.h"

namespace dmarcate {
namespace {

constexpr size_t kKeptNames = 32;
constexpr size_t kKeptUnclosed = 100;
// How often the end of an unknown element is looked for in vain: each time costs the rest of the
// text.
constexpr int kVainSearches = 4;

// string_view::find stops at every '<'; memmem does not.
size_t Find(std::string_view text, std::string_view word, size_t from) {
  const void* const at = memmem(text.data() + from, text.size() - from, word.data(), word.size());
  return at == nullptr ? std::string_view::npos
                       : static_cast<size_t>(static_cast<const char*>(at) - text.data());
}

class Cutter {
 public:
  Cutter(std::string_view text, const Token& root, const CutLimits& limits)
      : text_(text),
        root_(root),
        limits_(limits),
        scanner_(text, root.end,
                 // A text that was cut off has no end of the root.
                 LastRootEnd(text, root.end) == std::string_view::npos ? Unterminated::kHidesRest
                                                                       : Unterminated::kIsText),
        gap_(root.end) {}

  CutReport Cut();

 private:
  bool IsRoot(const Token& token) const { return EqualsIgnoreCase(token.name, "feedback"); }
  // Adds the text since the last record to the frame.
  void FlushGap(size_t end);
  void CutRecord(const Token& start);
  // The end of the record whose content begins at `begin`, where nothing in it needs a closer look;
  // npos else. Only for start tags in lower case: the next one stops the search then, so that no
  // byte is searched twice.
  size_t PlainRecordEnd(size_t begin) const;
  void SkipForeign(const Token& start);
  // `end`: what follows is hidden by a comment without an end.
  void EndWithoutRootEnd(size_t end);

  std::string_view text_;
  const Token& root_;
  const CutLimits& limits_;
  MarkupScanner scanner_;
  size_t gap_;                         // begin of the text that is no record
  Element block_ = Element::kUnknown;  // report_metadata or policy_published, while inside
  int vain_searches_ = 0;
  CutReport cut_;
};

void Cutter::FlushGap(size_t end) {
  const std::string_view gap = text_.substr(gap_, end - gap_);
  if (TrimAscii(gap).empty()) return;
  if (cut_.frame.size() + gap.size() > limits_.frame_bytes) {
    cut_.frame_too_large = true;
    return;
  }
  cut_.frame += gap;
}

size_t Cutter::PlainRecordEnd(size_t begin) const {
  const size_t word = Find(text_, "record", begin);
  constexpr size_t kWord = 6;
  if (word == std::string_view::npos || word + kWord >= text_.size()) return std::string_view::npos;
  const std::string_view content = text_.substr(begin, word - begin);
  if (!content.ends_with("</") || text_[word + kWord] != '>' ||
      Find(content, "<!", 0) != std::string_view::npos ||
      Find(content, "eedback", 0) != std::string_view::npos) {
    return std::string_view::npos;
  }
  return word + kWord + 1;
}

void Cutter::CutRecord(const Token& start) {
  FlushGap(start.begin);
  block_ = Element::kUnknown;
  const int64_t ordinal = ++cut_.records_seen;
  if (ordinal > limits_.records) {
    cut_.too_many_records = true;
    return;
  }
  gap_ = start.end;
  if (start.kind == TokenKind::kEmpty) {
    cut_.records.push_back({start.begin, start.end, ordinal});
    return;
  }
  const size_t plain_end =
      start.name == "record" ? PlainRecordEnd(start.end) : std::string_view::npos;
  if (plain_end != std::string_view::npos) {
    cut_.records.push_back({start.begin, plain_end, ordinal});
    gap_ = plain_end;
    scanner_.set_position(plain_end);
    return;
  }
  while (const std::optional<Token> token = scanner_.Next()) {
    const bool tag = token->kind == TokenKind::kStart || token->kind == TokenKind::kEnd;
    const bool record = tag && ElementOf(token->name) == Element::kRecord;
    if (record && token->kind == TokenKind::kEnd) {
      cut_.records.push_back({start.begin, token->end, ordinal});
      gap_ = token->end;
      return;
    }
    if (record || (tag && IsRoot(*token))) {  // the next one begins: this one has no end
      scanner_.set_position(token->begin);
      break;
    }
  }
  gap_ = scanner_.position();
  if (cut_.unclosed.size() < kKeptUnclosed) cut_.unclosed.push_back(ordinal);
}

void Cutter::SkipForeign(const Token& start) {
  const bool foreign = ElementOf(start.name) == Element::kExtension ||
                       (!start.prefix.empty() && start.prefix != root_.prefix);
  if (!foreign && vain_searches_ >= kVainSearches) return;
  int same = 1;
  int depth = 2;
  int deepest = depth;
  size_t end = text_.size();
  while (const std::optional<Token> token = scanner_.Next()) {
    if (IsRoot(*token)) {
      end = token->begin;
      break;
    }
    const bool same_name = token->name == start.name && token->prefix == start.prefix;
    if (token->kind == TokenKind::kStart) {
      deepest = std::max(deepest, ++depth);
      if (same_name) ++same;
    } else if (token->kind == TokenKind::kEnd) {
      --depth;
      if (same_name && --same == 0) {
        end = token->end;
        break;
      }
    }
  }
  if (same > 0 && !foreign) {  // a stray tag, no element
    ++vain_searches_;
    scanner_.set_position(start.end);
    return;
  }
  FlushGap(start.begin);
  gap_ = end;
  scanner_.set_position(end);
  cut_.foreign_depth = std::max(cut_.foreign_depth, deepest);
  if (cut_.foreign.size() < kKeptNames) cut_.foreign.emplace_back(start.name);
}

// What is left is whole elements and, at its end, perhaps the beginning of a tag.
void Cutter::EndWithoutRootEnd(size_t end) {
  const std::string_view rest = text_.substr(0, end);
  const size_t tag = rest.rfind('<');
  if (tag != std::string_view::npos && tag >= gap_ &&
      rest.find('>', tag) == std::string_view::npos) {
    std::string root_end = "</";
    if (!root_.prefix.empty()) root_end.append(root_.prefix).append(":");
    root_end += root_.name;
    const std::string_view tail = TrimAscii(rest.substr(tag));
    cut_.tail_cut = !std::string_view(root_end).starts_with(tail);
    end = tag;
  }
  if (gap_ < end) FlushGap(end);
  cut_.end = text_.size();
}

CutReport Cutter::Cut() {
  while (!cut_.too_many_records && !cut_.frame_too_large) {
    const std::optional<Token> token = scanner_.Next();
    if (!token.has_value()) {
      EndWithoutRootEnd(text_.size());
      break;
    }
    const bool start = token->kind == TokenKind::kStart;
    if (!token->terminated && token->kind != TokenKind::kInstruction) {
      EndWithoutRootEnd(token->begin);
      break;
    }
    if (!start && token->kind != TokenKind::kEmpty && token->kind != TokenKind::kEnd) continue;
    if (IsRoot(*token)) {
      FlushGap(token->begin);
      cut_.closed = token->kind == TokenKind::kEnd;
      cut_.end = cut_.closed ? token->end : token->begin;
      break;
    }
    const Element element = ElementOf(token->name);
    if (element == Element::kRecord && token->kind != TokenKind::kEnd) {
      CutRecord(*token);
    } else if (element == Element::kReportMetadata || element == Element::kPolicyPublished) {
      if (start) block_ = element;
      if (token->kind == TokenKind::kEnd && block_ == element) block_ = Element::kUnknown;
    } else if (start && block_ == Element::kUnknown &&
               (element == Element::kUnknown || element == Element::kExtension)) {
      SkipForeign(*token);
    }
  }
  return std::move(cut_);
}

}  // namespace

CutReport CutAtRecords(std::string_view text, const Token& root, const CutLimits& limits) {
  return Cutter(text, root, limits).Cut();
}

}  // namespace dmarcate
