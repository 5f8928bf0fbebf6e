// lib/mail/mbox.h
// mbox files (RFC 4155 and its elders): messages begun by "From " lines, whatever their dates look
// like.

#ifndef DMARCATE_LIB_MAIL_MBOX_H_
#define DMARCATE_LIB_MAIL_MBOX_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dmarcate {

// True if `bytes` begins with a "From " line and header fields after it; a byte order mark and
// blank lines may come first.
bool LooksLikeMbox(std::string_view bytes);

// Goes through the messages. A message ends where a "From " line follows a blank line and is itself
// followed by a header field, so a sentence in a body does not cut it.
class MboxReader {
 public:
  // `mbox` must outlive the reader.
  explicit MboxReader(std::string_view mbox);
  // The next message without its "From " line, one ">" removed from each ">From " line (mboxrd).
  std::optional<std::string> Next();

 private:
  std::string_view text_;
  size_t at_ = 0;  // of the next "From " line, or the end
};

struct MboxMessage {
  std::string content;     // as MboxReader gives it; empty if it is too large
  int64_t offset = 0;      // of its "From " line in the mailbox
  int64_t size = 0;        // in the mailbox, with that line
  bool too_large = false;  // over the limit
};

// The same messages, of a mailbox that comes in pieces of any size. Holds one message, one piece
// and a little more at most; a message over the limit is passed over in the same memory.
class MboxSplitter {
 public:
  // `message_limit` is in bytes of a message as it stands in the mailbox, without its "From " line.
  explicit MboxSplitter(size_t message_limit);
  void Append(std::string_view piece);
  // Nothing comes any more: what is left is the last message.
  void End() { ended_ = true; }
  // nullopt: nothing is complete yet, or after End() nothing is left.
  std::optional<MboxMessage> Next();

 private:
  void Begin(size_t at);  // a message, or the end, at buffer_[at]
  // Whether enough of the two lines at `at` is here to say what they are.
  bool CanJudge(size_t at) const;
  // Moves search_ to the next "From " line that begins a message, or to where it could begin.
  bool FindBoundary();
  void PassOver();  // the beginning of a message that is over the limit

  const size_t message_limit_;
  std::string buffer_;
  int64_t offset_ = 0;          // of buffer_ in the mailbox
  size_t begin_ = 0;            // in buffer_, of what is still needed
  size_t search_ = 0;           // in buffer_; nothing begins before it but what was found
  int64_t message_offset_ = 0;  // of the message at begin_
  bool lead_ = true;            // nothing was judged yet
  bool begun_ = false;          // a message
  bool passed_over_ = false;    // begin_ is within it
  bool ended_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAIL_MBOX_H_
