#include "policyd/alert/mail_message.h"

#include <algorithm>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {
namespace {

constexpr size_t kBodyLineOctets = 76;      // RFC 2045 section 6.8
constexpr size_t kSubjectLineOctets = 900;  // well below the limit of a line
// RFC 2047 section 2: an encoded word has at most 75 characters, "=?UTF-8?B?" and "?=" among them.
constexpr size_t kWordOctets = 45;
constexpr size_t kMaxLocalOctets = 64;

bool IsPlain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7f; });
}

std::string EncodedWords(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    size_t take = std::min(text.size(), kWordOctets);
    // Not in the middle of a character.
    while (take < text.size() && take > 1 &&
           (static_cast<unsigned char>(text[take]) & 0xC0) == 0x80) {
      --take;
    }
    if (!out.empty()) out += "\r\n ";
    out += fmt::format("=?UTF-8?B?{}?=", Base64Encode(text.substr(0, take)));
    text.remove_prefix(take);
  }
  return out;
}

std::string SubjectField(std::string_view subject) {
  std::string safe = EscapeForTerminal(subject);
  if (safe.size() > kSubjectLineOctets) {
    safe.resize(kSubjectLineOctets);
    safe = ToValidUtf8(safe);
  }
  return IsPlain(safe) ? safe : EncodedWords(safe);
}

std::string Body(std::string_view text) {
  const std::string encoded = Base64Encode(text);
  std::string out;
  for (size_t at = 0; at < encoded.size(); at += kBodyLineOctets) {
    out += encoded.substr(at, kBodyLineOctets) + "\r\n";
  }
  return out;
}

std::string Part(std::string_view type, std::string_view text) {
  return fmt::format(
      "Content-Type: {}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}", type,
      Body(text));
}

}  // namespace

bool IsMailAddress(std::string_view text) {
  const size_t at = text.find('@');
  if (at == 0 || at == std::string_view::npos || at > kMaxLocalOctets) return false;
  const std::string_view local = text.substr(0, at);
  constexpr std::string_view kAtext = "!#$%&'*+-/=?^_`{|}~.";  // RFC 5322 section 3.2.3, and dots
  const bool plain = std::ranges::all_of(local, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kAtext.find(c) != std::string_view::npos;
  });
  if (!plain || local.front() == '.' || local.back() == '.' ||
      local.find("..") != std::string_view::npos || local.front() == '-') {
    return false;
  }
  const std::string_view host = text.substr(at + 1);
  const bool host_is_plain = std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.';
  });
  const auto name = DomainName::Parse(host);
  return host_is_plain && name.ok() && !name->IsRoot();
}

std::string RenderMail(const AlertMail& mail) {
  const std::string domain = mail.from.substr(mail.from.find('@') + 1);
  std::string out = fmt::format(
      "From: {}\r\nTo: {}\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: <{}@{}>\r\n"
      // RFC 3834 section 5: nobody's vacation answers it.
      "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
      mail.from, Join(mail.to, ",\r\n "), SubjectField(mail.subject),
      absl::FormatTime("%a, %d %b %Y %H:%M:%S +0000", mail.date, absl::UTCTimeZone()), mail.id,
      domain);
  if (mail.html.empty()) return out + Part("text/plain", mail.text);
  // Of hex digits, so that no body, which is base64, can hold it after "--".
  const std::string boundary = "=_" + Sha256Hex(mail.id).substr(0, 24);
  out += fmt::format("Content-Type: multipart/alternative; boundary=\"{}\"\r\n\r\n", boundary);
  out += fmt::format("--{}\r\n{}", boundary, Part("text/plain", mail.text));
  out += fmt::format("--{}\r\n{}", boundary, Part("text/html", mail.html));
  return out + fmt::format("--{}--\r\n", boundary);
}

}  // namespace dmarcate
