#include "lib/report/record_cutter.h"

#include <algorithm>
#include <utility>

#include "lib/base/text.h"
#include "lib/report/root_finder.h"
#include "lib/report/root_parts.h"

namespace dmarcate {
namespace {

constexpr size_t kKeptNames = 32;
constexpr size_t kKeptUnclosed = 100;

class Cutter {
 public:
  Cutter(std::string_view text, const Token& root, const CutLimits& limits)
      : text_(text),
        root_(root),
        limits_(limits),
        scanner_(text, root.end,
                 // A text that was cut off has no end of the root.
                 LastRootEnd(text, root.end) == std::string_view::npos ? Unterminated::kHidesRest
                                                                       : Unterminated::kIsText,
                 Declarations::kAreText),
        parts_(root.prefix),
        gap_(root.end) {}

  CutReport Cut();

 private:
  // Adds the text since the last record to the frame.
  void FlushGap(size_t end);
  void TakeRecord(const RootPart& part);
  void TakeForeign(RootPart part);
  void TakeEnd(const RootPart& part);
  // `end`: what follows is hidden by a comment without an end.
  void EndWithoutRootEnd(size_t end);

  std::string_view text_;
  const Token& root_;
  const CutLimits& limits_;
  MarkupScanner scanner_;
  RootParts parts_;
  size_t gap_;  // begin of the text that is no record
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

void Cutter::TakeRecord(const RootPart& part) {
  FlushGap(part.begin);
  gap_ = part.end;
  const int64_t ordinal = ++cut_.records_seen;
  if (ordinal > limits_.records) {
    cut_.too_many_records = true;
  } else if (part.kind == RootPartKind::kRecord) {
    cut_.records.push_back({part.begin, part.end, ordinal});
  } else if (cut_.unclosed.size() < kKeptUnclosed) {
    cut_.unclosed.push_back(ordinal);
  }
}

void Cutter::TakeForeign(RootPart part) {
  FlushGap(part.begin);
  gap_ = part.end;
  cut_.foreign_depth = std::max(cut_.foreign_depth, part.depth);
  if (cut_.foreign.size() < kKeptNames &&
      std::ranges::find(cut_.foreign, part.name) == cut_.foreign.end()) {
    cut_.foreign.push_back(std::move(part.name));
  }
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

void Cutter::TakeEnd(const RootPart& part) {
  if (part.kind == RootPartKind::kTextEnd) return EndWithoutRootEnd(part.begin);
  FlushGap(part.begin);
  cut_.closed = part.kind == RootPartKind::kRootEnd;
  cut_.end = cut_.closed ? part.end : part.begin;
}

CutReport Cutter::Cut() {
  while (!cut_.too_many_records && !cut_.frame_too_large) {
    std::optional<RootPart> part = parts_.Next(scanner_, TextEnd::kIsFinal);
    switch (part->kind) {
      case RootPartKind::kRecord:
      case RootPartKind::kUnclosedRecord:
        TakeRecord(*part);
        break;
      case RootPartKind::kForeign:
        TakeForeign(*std::move(part));
        break;
      case RootPartKind::kRootEnd:
      case RootPartKind::kNextRoot:
      case RootPartKind::kTextEnd:
        TakeEnd(*part);
        return std::move(cut_);
    }
  }
  return std::move(cut_);
}

}  // namespace

CutReport CutAtRecords(std::string_view text, const Token& root, const CutLimits& limits) {
  return Cutter(text, root, limits).Cut();
}

}  // namespace dmarcate
