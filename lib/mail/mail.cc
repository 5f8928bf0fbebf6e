#include "lib/mail/mail.h"

#include <algorithm>
#include <array>

#include "lib/base/text.h"
#include "lib/mail/header.h"
#include "lib/mail/header_value.h"

namespace dmarcate {
namespace {

constexpr size_t kSniffBytes = 64 * 1024;
constexpr size_t kMaxMessageIdBytes = 998;

// None of them is a field of a feedback report (RFC 5965 section 3), which has header form as well.
constexpr std::array<std::string_view, 13> kMailFields = {
    "Received",   "Return-Path",  "Delivered-To", "From",           "To",
    "Subject",    "MIME-Version", "Content-Type", "DKIM-Signature", "Envelope-To",
    "X-Received", "ARC-Seal",     "ContentType",
};

}  // namespace

HeaderFacts ReadHeaderFacts(std::string_view headers) {
  std::optional<std::string> from, subject, message_id, date;
  HeaderReader reader(headers);
  while (const auto field = reader.Next()) {
    const auto keep = [&](std::string_view name, std::optional<std::string>* into) {
      if (!*into && EqualsIgnoreCase(field->name, name)) *into = UnfoldValue(field->value);
    };
    keep("From", &from);
    keep("Subject", &subject);
    keep("Message-ID", &message_id);
    keep("Date", &date);
  }
  HeaderFacts facts;
  if (from) facts.from_domain = FirstAddressDomain(*from);
  if (subject) facts.subject = DecodeHeaderText(*subject);
  if (message_id) {
    std::string_view id = TrimAscii(*message_id);
    if (id.starts_with('<') && id.ends_with('>')) id = id.substr(1, id.size() - 2);
    facts.message_id = ToValidUtf8(id.substr(0, kMaxMessageIdBytes));
  }
  if (date) facts.date = ParseMailDate(*date);
  return facts;
}

bool LooksLikeMail(std::string_view bytes) {
  bytes = bytes.substr(0, kSniffBytes);
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  size_t at = 0;
  while (at < bytes.size()) {
    const TextLine line = LineAt(bytes, at);
    if (!TrimAscii(line.text).empty() && !line.text.starts_with("From ") &&
        !line.text.starts_with(">From ")) {
      break;
    }
    at = line.next;
  }
  HeaderReader reader(bytes.substr(at));
  while (const auto field = reader.Next()) {
    if (std::ranges::any_of(kMailFields, [&](std::string_view name) {
          return EqualsIgnoreCase(field->name, name);
        })) {
      return true;
    }
  }
  return false;
}

}  // namespace dmarcate
