// The mail layers: mbox, MIME, feedback reports.

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/mail/mbox.h"
#include "lib/report/failure.h"
#include "lib/unpack/feedback_parts.h"
#include "lib/unpack/plain_notice.h"
#include "lib/unpack/unpacker.h"

namespace dmarcate {
namespace {

// Each message of a mailbox may leave an entry, some hundred bytes for some thirty.
constexpr int kMaxMailboxMessages = 10'000;

bool StartsWith(const std::string& text, std::string_view prefix) {
  return text.starts_with(prefix);
}

// A text of the mail itself, to be read by a person, as far as the labels tell.
bool IsBodyText(const MailLeaf& leaf) {
  return leaf.file_name.empty() &&
         (leaf.content_type == "text/plain" || leaf.content_type == "text/html" ||
          leaf.content_type == "text/enriched" || leaf.content_type == "text/calendar");
}

bool IsPicture(const MailLeaf& leaf) {
  return StartsWith(leaf.content_type, "image/") || StartsWith(leaf.content_type, "audio/") ||
         StartsWith(leaf.content_type, "video/") || StartsWith(leaf.content_type, "font/");
}

}  // namespace

void Unpacker::VisitMbox(const std::string& bytes, Layer layer) {
  const bool counts_anew = hints_.handed_in && layer.origin == Origin::kInput;
  layer.container.emplace_back("mbox");
  layer.origin = Origin::kMember;
  MboxReader reader(bytes);
  std::optional<std::string> message = reader.Next();
  std::optional<std::string> next = reader.Next();
  in_mbox_ = in_mbox_ || next.has_value();
  while (message && !full_) {
    if (++mailbox_messages_ > kMaxMailboxMessages) {
      return Refuse(Outcome::kOverLimit, "too_many_messages",
                    fmt::format("over {} messages in mailboxes", kMaxMailboxMessages),
                    std::move(layer));
    }
    if (counts_anew) {  // counts; bytes are for the input as a whole
      mime_parts_ = 0;
      budget_.ForgetMembers();
    }
    VisitMail(*message, layer);
    message = std::move(next);
    next = reader.Next();
  }
}

void Unpacker::VisitMail(const std::string& bytes, Layer layer) {
  const bool enclosed = std::ranges::count(layer.container, "mail") > 0;
  if (enclosed && ++layer.enclosed > limits_.enclosed_messages) {
    return Refuse(Outcome::kOverLimit, "too_many_enclosed_messages",
                  fmt::format("messages enclosed over {} deep", limits_.enclosed_messages),
                  std::move(layer));
  }
  layer.container.emplace_back("mail");
  const Mail mail = ScanMail(
      bytes, {.depth = limits_.mime_depth,
              .parts = std::max(0, limits_.mime_parts - mime_parts_),
              .enclosed_messages = std::max(0, limits_.enclosed_messages - layer.enclosed)});
  mime_parts_ += mail.parts;
  layer.mail = ReadHeaderFacts(mail.messages.front().headers);
  if (!enclosed && !in_mbox_) {
    const HeaderFacts& facts = layer.mail;
    out_.carrier = {.is_mail = true,
                    .from_domain = facts.from_domain,
                    .subject = facts.subject,
                    .message_id = facts.message_id,
                    .date = facts.date};
  }

  // Below the message that carries a feedback report stands what it complains about.
  int complaint_depth = -1;
  size_t facts_of = 0;  // the message that layer.mail tells of
  OriginalHeaders original(mail);
  for (size_t i = 0; i < mail.leaves.size(); ++i) {
    const MailLeaf& leaf = mail.leaves[i];
    const int depth = mail.messages[leaf.message].depth;
    if (leaf.context == LeafContext::kDeliveryStatus) {
      saw_bounce_ = true;
      continue;
    }
    if (IsPicture(leaf) || (complaint_depth >= 0 && depth > complaint_depth)) continue;
    if (facts_of != leaf.message) {
      facts_of = leaf.message;
      layer.mail = ReadHeaderFacts(mail.messages[leaf.message].headers);
    }
    Layer inside = layer;
    for (int n = 0; n < depth; ++n) inside.container.emplace_back("mail");
    inside.enclosed += depth;
    inside.origin = IsBodyText(leaf) ? Origin::kBody : Origin::kAttachment;
    inside.file_name = leaf.file_name;
    inside.content_type = leaf.content_type;
    // What is not encoded is read where it lies.
    const bool encoded = leaf.encoding != TransferEncoding::kIdentity;
    DecodedBody decoded = encoded ? DecodeBody(leaf.body, leaf.encoding) : DecodedBody();
    const std::string_view text = encoded ? std::string_view(decoded.data) : leaf.body;
    if (IsFeedbackPart(leaf, text)) {
      complaint_depth = depth;
      VisitFeedback(text, original.Of(i), std::move(inside));
      continue;
    }
    if (inside.origin == Origin::kBody) {
      if (const auto fields = FieldsOfPlainNotice(text)) {
        complaint_depth = depth;
        inside.AddRepair("feedback_plain_text", "", "its lines, read as fields", /*material=*/true);
        VisitFeedback(*fields, original.Of(i), std::move(inside));
        continue;
      }
    }
    if (!encoded) decoded = DecodeBody(leaf.body, leaf.encoding);
    VisitLeaf(leaf, std::move(decoded), std::move(inside));
  }
  if (!mail.limit.empty()) {
    Refuse(Outcome::kOverLimit, mail.limit, mail.limit_detail, std::move(layer));
  }
}

void Unpacker::VisitLeaf(const MailLeaf& leaf, DecodedBody decoded, Layer layer) {
  // M15: labelled base64 but never encoded.
  if (leaf.encoding != TransferEncoding::kIdentity) {
    const Content raw = SniffContent(leaf.body);
    if (raw == Content::kGzip || raw == Content::kZip || raw == Content::kXml ||
        raw == Content::kJson) {
      const Content after = SniffContent(decoded.data);
      if (after == Content::kOther || after == Content::kEmpty) {
        layer.AddRepair("transfer_encoding_wrong", "", "identity", /*material=*/false);
        return Visit(std::string(leaf.body), std::move(layer));
      }
    }
  }
  if (decoded.lenient) layer.AddRepair("b64_lenient", "", "", /*material=*/false);
  Visit(std::move(decoded.data), std::move(layer));
}

void Unpacker::VisitFeedback(std::string_view fields, std::string_view original_headers,
                             Layer layer) {
  layer.container.emplace_back("arf");
  Sha256Stream both;  // one behind the other would be in memory once more
  both.Update(fields);
  both.Update("\n");
  both.Update(original_headers);
  std::string digest = both.Finish();
  const auto size = static_cast<int64_t>(fields.size());
  if (IsRepeated(digest, size, ReportKind::kFailure, layer)) return;
  const FailureHints hints{.original_headers = original_headers,
                           .mail_date = layer.mail.date.value_or(hints_.received_time)};
  ParsedFailureReport parsed = ParseFailureFields(fields, hints, FailureLimits{});
  UnpackedReport report;
  report.kind =
      parsed.outcome == Outcome::kNotAReport ? ReportKind::kUnknown : ReportKind::kFailure;
  report.outcome = parsed.outcome;
  report.failure = std::move(parsed.report);
  report.reason = std::move(parsed.reason);
  report.detail = std::move(parsed.detail);
  report.document_sha256 = std::move(digest);
  report.document_bytes = size;
  Add(std::move(report), std::move(parsed.repairs), std::move(layer));
}

}  // namespace dmarcate
