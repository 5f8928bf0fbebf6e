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

}  // namespace

bool IsFeedbackPart(const MailLeaf& leaf, std::string_view decoded) {
  return leaf.content_type == "message/feedback-report" ||
         (MayBeFeedback(leaf) && LooksLikeFeedbackReport(decoded));
}

std::string OriginalHeaders(const Mail& mail, size_t feedback) {
  const size_t carrier = mail.leaves[feedback].message;
  for (size_t i = carrier + 1; i < mail.messages.size(); ++i) {
    if (mail.messages[i].depth == mail.messages[carrier].depth + 1) {
      return std::string(mail.messages[i].headers);
    }
  }
  for (size_t i = feedback + 1; i < mail.leaves.size(); ++i) {
    const MailLeaf& leaf = mail.leaves[i];
    if (leaf.message != carrier) continue;
    DecodedBody decoded = DecodeBody(leaf.body, leaf.encoding);
    if (IsHeadersOnly(leaf) || LooksLikeMail(decoded.data)) return std::move(decoded.data);
  }
  return "";
}

}  // namespace dmarcate
