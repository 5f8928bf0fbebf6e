#include "lib/unpack/redact_failure_mail.h"

#include <algorithm>
#include <utility>

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/mail/header.h"
#include "lib/mail/mime_scan.h"
#include "lib/report/header_fields.h"
#include "lib/unpack/feedback_parts.h"
#include "lib/unpack/sniff.h"

namespace dmarcate {
namespace {

constexpr size_t kHeadBytes = 64 << 10;    // where Content-Type is looked for
constexpr size_t kFieldBytes = 256 << 10;  // of fields and of original headers: what is read
constexpr size_t kValueBytes = 4096;       // of one value: what is kept
constexpr std::string_view kMark = "X-Dmarcate-Redacted: ";
constexpr size_t kMacDigits = 64;

// Of the feedback part (RFC 5965, 6591, 9991) all but who received and what was said.
constexpr std::string_view kFields[] = {
    "Feedback-Type",   "User-Agent", "Version",       "Auth-Failure",
    "Reported-Domain", "Source-IP",  "Source-Port",   "Arrival-Date",
    "Received-Date",   "Incidents",  "DKIM-Domain",   "Delivery-Result",
    "DKIM-Selector",   "SPF-DNS",    "Reporting-MTA", "Identity-Alignment"};
constexpr std::string_view kResults = "Authentication-Results";

// Blanks for control characters; valid UTF-8; cut.
std::string OneLine(std::string_view value) {
  std::string line = ToValidUtf8(value.substr(0, kValueBytes));
  std::ranges::replace_if(line, [](unsigned char c) { return c < ' ' || c == 0x7F; }, ' ');
  if (value.size() > kValueBytes)
    line.resize(std::min(line.size(), line.find_last_of(" \t;,") + 1));
  return std::string(TrimAscii(line));
}

void AddField(std::string_view name, std::string_view value, std::string* out) {
  out->append(name).append(": ").append(value).append("\n");
}

void CopyField(const HeaderFields& fields, std::string_view name, const AddressTokens& tokens,
               std::string* out) {
  if (const std::string* value = fields.Find(name)) {
    AddField(name, tokens.Replace(OneLine(*value)), out);
  }
}

void CopyResults(const HeaderFields& fields, const AddressTokens& tokens, std::string* out) {
  if (const std::string* value = fields.Find(kResults)) {
    AddField(kResults, tokens.Results(OneLine(*value)), out);
  }
}

void CopyMailbox(const HeaderFields& fields, std::string_view name, const AddressTokens& tokens,
                 std::string* out) {
  if (const std::string* value = fields.Find(name)) {
    AddField(name, tokens.Mailbox(OneLine(*value)), out);
  }
}

// Without the letters of words that a date does not have.
void CopyDate(const HeaderFields& fields, std::string* out) {
  constexpr size_t kLongestDate = 64;
  const std::string* value = fields.Find("Date");
  if (value == nullptr) return;
  const std::string date = WithoutComments(OneLine(*value)).substr(0, kLongestDate);
  const bool plain = std::ranges::all_of(date, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view(" ,:+-").find(c) != std::string_view::npos;
  });
  if (plain) AddField("Date", date, out);
}

// Without z=, the copied header fields, subject and all (RFC 6376 section 3.5).
std::string WithoutCopiedFields(std::string_view signature) {
  std::string out;
  while (!signature.empty()) {
    const std::string_view tag = signature.substr(0, signature.find(';'));
    signature.remove_prefix(std::min(signature.size(), tag.size() + 1));
    const std::string_view name = TrimAscii(tag.substr(0, tag.find('=')));
    if (name == "z" || TrimAscii(tag).empty()) continue;
    out.append(out.empty() ? "" : "; ").append(TrimAscii(tag));
  }
  return out;
}

std::string RedactedFields(std::string_view text, const AddressTokens& tokens) {
  const HeaderFields fields(text.substr(0, kFieldBytes));
  std::string out;
  for (const std::string_view name : kFields) CopyField(fields, name, tokens, &out);
  CopyResults(fields, tokens, &out);
  CopyMailbox(fields, "Original-Mail-From", tokens, &out);
  CopyMailbox(fields, "DKIM-Identity", tokens, &out);
  return out;
}

std::string RedactedOriginal(std::string_view headers, const AddressTokens& tokens) {
  const HeaderFields fields(headers.substr(0, kFieldBytes));
  std::string out;
  CopyMailbox(fields, "Return-Path", tokens, &out);
  CopyMailbox(fields, "From", tokens, &out);
  CopyMailbox(fields, "Sender", tokens, &out);
  CopyDate(fields, &out);
  CopyField(fields, "Message-ID", tokens, &out);
  CopyResults(fields, tokens, &out);
  if (const std::string* signature = fields.Find("DKIM-Signature")) {
    AddField("DKIM-Signature", tokens.Replace(OneLine(WithoutCopiedFields(*signature))), &out);
  }
  return out;
}

// The header of the message complained about ends with it; a mail may carry anything.
bool HasHeaderOnly(std::string_view mail) {
  HeaderReader reader(mail.substr(HeaderBegin(mail, 0)));
  while (reader.Next()) {
  }
  return TrimAscii(mail.substr(HeaderBegin(mail, 0) + reader.position())).empty();
}

// Something else than a report for people and the message complained about: it may be a report of
// another kind, which nobody may lose.
bool MayBeAnotherReport(const MailLeaf& leaf, std::string_view decoded) {
  switch (SniffContent(decoded)) {
    case Content::kGzip:
    case Content::kZip:
    case Content::kXml:
    case Content::kJson:
    case Content::kBase64:
    case Content::kZlib:
    case Content::kMbox:
      return true;
    case Content::kMail:
      return !HasHeaderOnly(decoded);
    default:
      break;
  }
  return leaf.content_type == "application/gzip" || leaf.content_type == "application/zip";
}

bool IsFailureMail(std::string_view head) {
  const HeaderFields fields(head);
  const std::string* type = fields.Find("Content-Type");
  if (type == nullptr) return false;
  const std::string folded = AsciiLower(*type);
  return folded.starts_with("multipart/report") &&
         folded.find("feedback-report") != std::string::npos;
}

// The header section of a mail, its first kHeadBytes.
std::string_view HeadOf(std::string_view mail) {
  const std::string_view head = mail.substr(0, kHeadBytes);
  const size_t end = std::min(head.find("\n\n"), head.find("\n\r\n"));
  return head.substr(0, end);
}

}  // namespace

std::optional<std::string> RedactFailureMail(std::string_view mail, const AddressTokens& tokens) {
  const std::string_view head = HeadOf(mail);
  if (!IsFailureMail(head)) return std::nullopt;
  if (IsRedactedFailureMail(mail, tokens)) return std::string(mail);
  const Mail scanned = ScanMail(mail, MailLimits{});
  if (!scanned.limit.empty()) return std::nullopt;  // nobody has seen the rest
  std::optional<size_t> feedback;
  std::string room;
  std::string_view fields;  // in `room`, or where they lie in the mail
  for (size_t i = 0; i < scanned.leaves.size(); ++i) {
    const MailLeaf& leaf = scanned.leaves[i];
    const bool enclosed = leaf.message != 0;
    if (enclosed && feedback) continue;  // what is complained about
    const bool encoded = leaf.encoding != TransferEncoding::kIdentity;
    DecodedBody decoded = encoded ? DecodeBody(leaf.body, leaf.encoding) : DecodedBody();
    const std::string_view text = encoded ? std::string_view(decoded.data) : leaf.body;
    if (IsFeedbackPart(leaf, text)) {
      if (feedback || enclosed) return std::nullopt;
      feedback = i;
      room = std::move(decoded.data);
      fields = encoded ? std::string_view(room) : leaf.body;
    } else if (MayBeAnotherReport(leaf, text)) {
      return std::nullopt;
    }
  }
  if (!feedback) return std::nullopt;

  const std::string part = RedactedFields(fields, tokens);
  const std::string original = RedactedOriginal(OriginalHeaders(scanned).Of(*feedback), tokens);
  const std::string boundary = "dmarcate-" + Sha256Hex(part + original).substr(0, 32);
  const HeaderFields carrier(head);
  std::string out;
  CopyMailbox(carrier, "From", tokens, &out);
  CopyDate(carrier, &out);
  CopyField(carrier, "Message-ID", tokens, &out);
  out +=
      "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=feedback-report;\n "
      "boundary=\"" +
      boundary + "\"\n\n--" + boundary + "\nContent-Type: message/feedback-report\n\n" + part;
  if (!original.empty()) {
    out += "\n--" + boundary + "\nContent-Type: text/rfc822-headers\n\n" + original;
  }
  out += "\n--" + boundary + "--\n";
  return std::string(kMark).append(tokens.Mac(out)).append("\n").append(out);
}

bool IsRedactedFailureMail(std::string_view mail, const AddressTokens& tokens) {
  if (!mail.starts_with(kMark)) return false;
  mail.remove_prefix(kMark.size());
  if (mail.size() <= kMacDigits || mail[kMacDigits] != '\n') return false;
  return tokens.Mac(mail.substr(kMacDigits + 1)) == mail.substr(0, kMacDigits);
}

}  // namespace dmarcate
