// What a person decided while going through a list: one thing after the other, with a way back.
// Pure.

#ifndef DMARCATE_CLI_REVIEW_QUEUE_H_
#define DMARCATE_CLI_REVIEW_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace dmarcate::cli {

enum class ReviewKey : uint8_t {
  kApprove,  // a
  kReject,   // r
  kSkip,     // s
  kExplain,  // e: all the evidence
  kIps,      // i: the addresses
  kUndo,     // u: back to the one before
  kQuit,     // q
  kHelp,     // ? and all else
};
// The first letter of a line that was typed; nothing for an empty line.
std::optional<ReviewKey> ReadReviewKey(std::string_view line);

class ReviewQueue {
 public:
  explicit ReviewQueue(size_t count) : count_(count) {}

  bool done() const { return answers_.size() == count_; }
  // Of the one that is shown; not if done().
  size_t current() const { return answers_.size(); }
  // kApprove, kReject or kSkip; goes on to the next.
  void Answer(ReviewKey key) { answers_.push_back(key); }
  // Back to the one before, whose answer is forgotten. False: there is none.
  bool Undo();
  // What was approved or rejected, by index.
  struct Decision {
    size_t index = 0;
    bool approve = false;
    friend bool operator==(const Decision&, const Decision&) = default;
  };
  std::vector<Decision> decisions() const;

 private:
  const size_t count_;
  std::vector<ReviewKey> answers_;
};

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_REVIEW_QUEUE_H_
