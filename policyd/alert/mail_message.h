// A mail as bytes (RFC 5322, MIME): fixed headers, a text and, if there is one, the same as HTML.
// Pure. Nothing of what is inside reaches a header but the subject, which is encoded where it is
// not plain.

#ifndef DMARCATE_POLICYD_ALERT_MAIL_MESSAGE_H_
#define DMARCATE_POLICYD_ALERT_MAIL_MESSAGE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace dmarcate {

struct AlertMail {
  std::string from;  // an address
  std::vector<std::string> to;
  std::string subject;
  std::string text, html;  // html may be empty
  absl::Time date;
  std::string id;  // without the domain; equal ids, equal Message-ID
};

// "ops@example.com": a plain local part (no quotes, comments or addresses of other kinds), at most
// 64 octets, and a name.
bool IsMailAddress(std::string_view text);

// Lines end in CRLF and have at most 998 octets (RFC 5322 section 2.1.1).
std::string RenderMail(const AlertMail& mail);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ALERT_MAIL_MESSAGE_H_
