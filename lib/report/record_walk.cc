#include "lib/report/record_walk.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lib/base/text.h"
#include "lib/report/element.h"

namespace dmarcate {
namespace {

constexpr size_t kLeastNews = 64 << 10, kMostNews = 512 << 10;  // bytes that are worth a look
constexpr size_t kTagBytes = 16 << 10;                          // no tag of a report is longer

// Whether more text could change what the token is.
bool MayGrow(const Token& token, std::string_view text) {
  if (token.terminated) return false;
  return token.kind != TokenKind::kInstruction ||
         text.find('<', token.begin + 1) == std::string_view::npos;
}

}  // namespace

void RecordWalk::Take(const Token& token) {
  const bool start = token.kind == TokenKind::kStart;
  if (!start && token.kind != TokenKind::kEnd && token.kind != TokenKind::kEmpty) return;
  if (token.kind == TokenKind::kEnd && EqualsIgnoreCase(token.name, root_)) {
    root_ended_ = true;
    end_ = token.end;
    records_ += std::exchange(begun_, 0);
    return;
  }
  const Element element = ElementOf(token.name);
  if (element == Element::kRecord && depth_ == 0) {
    if (token.kind != TokenKind::kEnd) ++begun_;
    in_record_ = start;
    if (!start) {
      end_ = token.end;
      records_ += std::exchange(begun_, 0);
    }
    return;
  }
  if (in_record_) return;
  if (depth_ == 0 && token.kind != TokenKind::kEnd &&
      (element == Element::kReportMetadata || element == Element::kPolicyPublished)) {
    late_frame_ = true;
  }
  if (start) {
    ++depth_;
  } else if (token.kind == TokenKind::kEnd && depth_ > 0) {
    --depth_;
  }
}

void RecordWalk::Look(std::string_view text, Looking looking) {
  if (root_ended_ || (text.size() < next_ && looking == Looking::kIfWorthIt)) return;
  MarkupScanner scanner(text, looked_);
  while (!root_ended_) {
    const std::optional<Token> token = scanner.Next();
    if (!token.has_value()) {
      // A '<' near the end may be a tag once the rest of it is there.
      const size_t tail = text.size() - std::min(text.size(), kTagBytes);
      const size_t open = text.find('<', std::max(looked_, tail));
      looked_ = open == std::string_view::npos ? text.size() : open;
      break;
    }
    if (MayGrow(*token, text) && looking != Looking::kLast) {
      looked_ = token->begin;
      break;
    }
    Take(*token);
    looked_ = token->end;
  }
  next_ = text.size() + std::clamp(text.size() - looked_, kLeastNews, kMostNews);
}

void RecordWalk::Erase(size_t bytes) {
  looked_ -= std::min(looked_, bytes);
  next_ -= std::min(next_, bytes);
  end_ -= std::min(end_, bytes);
  records_ = 0;
}

}  // namespace dmarcate
