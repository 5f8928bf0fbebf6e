#include "lib/report/record_walk.h"

#include <algorithm>
#include <utility>

namespace dmarcate {
namespace {

constexpr size_t kLeastNews = 64 << 10, kMostNews = 512 << 10;  // bytes that are worth a look

}  // namespace

void RecordWalk::Take(const RootPart& part) {
  switch (part.kind) {
    case RootPartKind::kRecord:
      end_ = part.end;
      records_ += 1 + std::exchange(unclosed_, 0);
      return;
    case RootPartKind::kUnclosedRecord:
      ++unclosed_;
      return;
    case RootPartKind::kRootEnd:
    case RootPartKind::kNextRoot:
      end_ = part.kind == RootPartKind::kRootEnd ? part.end : part.begin;
      records_ += std::exchange(unclosed_, 0);
      root_ended_ = true;
      return;
    case RootPartKind::kForeign:
    case RootPartKind::kTextEnd:
      return;
  }
}

void RecordWalk::Look(std::string_view text, Looking looking) {
  if (root_ended_ || (text.size() < next_ && looking == Looking::kIfWorthIt)) return;
  MarkupScanner scanner(text, looked_, Unterminated::kHidesRest, Declarations::kAreText);
  const TextEnd text_end = looking == Looking::kLast ? TextEnd::kIsFinal : TextEnd::kMayMove;
  std::optional<RootPart> part;
  do {
    part = parts_.Next(scanner, text_end);
    if (part.has_value()) Take(*part);
  } while (part.has_value() && part->kind != RootPartKind::kTextEnd && !root_ended_);
  looked_ = scanner.position();
  next_ = text.size() + std::clamp(text.size() - looked_, kLeastNews, kMostNews);
}

void RecordWalk::Erase(size_t bytes) {
  if (bytes >= end_) records_ = 0;
  looked_ -= std::min(looked_, bytes);
  next_ -= std::min(next_, bytes);
  end_ -= std::min(end_, bytes);
  parts_.Erase(bytes);
}

}  // namespace dmarcate
