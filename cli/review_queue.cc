#include "cli/review_queue.h"

#include "lib/base/text.h"

namespace dmarcate::cli {

std::optional<ReviewKey> ReadReviewKey(std::string_view line) {
  line = TrimAscii(line);
  if (line.empty()) return std::nullopt;
  // A whole word may mean another thing than its first letter.
  if (line.size() > 1) return ReviewKey::kHelp;
  switch (AsciiLower(line.front())) {
    case 'a':
      return ReviewKey::kApprove;
    case 'r':
      return ReviewKey::kReject;
    case 's':
      return ReviewKey::kSkip;
    case 'e':
      return ReviewKey::kExplain;
    case 'i':
      return ReviewKey::kIps;
    case 'u':
      return ReviewKey::kUndo;
    case 'q':
      return ReviewKey::kQuit;
    default:
      return ReviewKey::kHelp;
  }
}

bool ReviewQueue::Undo() {
  if (answers_.empty()) return false;
  answers_.pop_back();
  return true;
}

std::vector<ReviewQueue::Decision> ReviewQueue::decisions() const {
  std::vector<Decision> out;
  for (size_t i = 0; i < answers_.size(); ++i) {
    if (answers_[i] == ReviewKey::kSkip) continue;
    out.push_back({i, answers_[i] == ReviewKey::kApprove});
  }
  return out;
}

}  // namespace dmarcate::cli
