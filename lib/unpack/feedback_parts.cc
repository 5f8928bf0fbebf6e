#include "lib/unpack/feedback_parts.h"

#include <utility>

#include "lib/mail/mail.h"
#include "lib/report/failure.h"

namespace dmarcate {
namespace {

bool IsHeadersOnly(const MailLeaf& leaf) {
  return leaf.content_type == "text/rfc822-headers" ||
         leaf.content_type == "message/rfc822-headers" || leaf.content_type == "message/rfc822";
}

// Other labels under which a feedback part has been seen (report-quirks section 15).
bool MayBeFeedback(const MailLeaf& leaf) {
  return leaf.content_type.starts_with("text/") || leaf.content_type == "application/octet-stream";
}

// The beginning of the body, decoded.
std::string DecodeHead(const MailLeaf& leaf) {
  constexpr size_t kMostExpansion = 3;  // "=41" for "A"
  std::string head =
      DecodeBody(leaf.body.substr(0, kMostExpansion * kMaxOriginalBytes), leaf.encoding).data;
  if (head.size() > kMaxOriginalBytes) head.resize(kMaxOriginalBytes);
  return head;
}

}  // namespace

bool IsFeedbackPart(const MailLeaf& leaf, std::string_view decoded) {
  return leaf.content_type == "message/feedback-report" ||
         (MayBeFeedback(leaf) && LooksLikeFeedbackReport(decoded));
}

std::string OriginalHeaders::Of(size_t feedback) {
  const size_t carrier = mail_.leaves[feedback].message;
  for (size_t i = carrier + 1; i < mail_.messages.size(); ++i) {
    if (mail_.messages[i].depth == mail_.messages[carrier].depth + 1) {
      return std::string(mail_.messages[i].headers.substr(0, kMaxOriginalBytes));
    }
  }
  const size_t leaf = NextLeaf(carrier, feedback);
  return leaf < mail_.leaves.size() ? DecodeHead(mail_.leaves[leaf]) : "";
}

size_t OriginalHeaders::NextLeaf(size_t message, size_t leaf) {
  size_t& found = found_[message];
  if (found > leaf) return found;
  for (found = leaf + 1; found < mail_.leaves.size(); ++found) {
    const MailLeaf& candidate = mail_.leaves[found];
    if (candidate.message != message) continue;
    if (IsHeadersOnly(candidate) || LooksLikeMail(DecodeHead(candidate))) break;
  }
  return found;
}

}  // namespace dmarcate
