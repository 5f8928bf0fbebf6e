// lib/unpack/feedback_parts.h
// Which parts of a mail are a failure report's: the fields, and the header of the message that they
// are about (RFC 6591 section 3.1, report-quirks section 15).

#ifndef DMARCATE_LIB_UNPACK_FEEDBACK_PARTS_H_
#define DMARCATE_LIB_UNPACK_FEEDBACK_PARTS_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lib/mail/mime_scan.h"

namespace dmarcate {

// `decoded` is the leaf's body, decoded.
bool IsFeedbackPart(const MailLeaf& leaf, std::string_view decoded);

// Finds the header section of the mail that a feedback part is about. Decodes each leaf once at
// most and of each so much as is read, however many feedback parts there are.
class OriginalHeaders {
 public:
  // `mail` must outlive it.
  explicit OriginalHeaders(const Mail& mail) : mail_(mail), found_(mail.messages.size()) {}

  // Of the leaf `feedback`, decoded, kMaxOriginalBytes at most; empty if the report encloses none.
  // To be asked from the first leaf to the last.
  std::string Of(size_t feedback);

 private:
  // The next leaf of `message` behind `leaf` that has one, or the number of leaves.
  size_t NextLeaf(size_t message, size_t leaf);

  const Mail& mail_;
  std::vector<size_t> found_;  // by message: what NextLeaf() said last
};
inline constexpr size_t kMaxOriginalBytes = 256 << 10;

}  // namespace dmarcate

#endif  // DMARCATE_LIB_UNPACK_FEEDBACK_PARTS_H_
