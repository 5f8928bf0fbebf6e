// lib/mail/mbox.h
// mbox files (RFC 4155 and its elders): messages begun by "From " lines, whatever their dates look
// like.

#ifndef DMARCATE_LIB_MAIL_MBOX_H_
#define DMARCATE_LIB_MAIL_MBOX_H_

#include <cstddef>
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

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAIL_MBOX_H_
