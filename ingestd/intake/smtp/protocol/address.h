// ingestd/intake/smtp/protocol/address.h
// The paths of MAIL and RCPT (RFC 5321 section 4.1.2), as narrow as a receiver of reports can have
// them.

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_ADDRESS_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_ADDRESS_H_

#include <optional>
#include <string>
#include <string_view>

namespace dmarcate {

inline constexpr size_t kDomainLimitBytes = 255;  // RFC 5321 section 4.5.3.1.2
// Of a sender. The RFC's 256 are less than what senders that encode the recipient need.
inline constexpr size_t kReversePathLimitBytes = 512;

// What stands between MAIL FROM: or RCPT TO: and the parameters. Views into the argument.
struct PathAndParameters {
  std::string_view path;  // without its angle brackets
  std::string_view parameters;
};
// Blanks before the path are let pass, as many clients send one. nullopt: no angle brackets, or
// something other than a blank after them. A ">" within a quoted string does not close the path.
std::optional<PathAndParameters> SplitPath(std::string_view text);

// An address a report can be sent to: a dot-string without "%" and "!" and a host name, nothing
// else. Source routes, quoted strings, address literals and encoded forms are not read at all.
struct Mailbox {
  std::string local, domain;  // lower case, ASCII
  friend auto operator<=>(const Mailbox&, const Mailbox&) = default;
};
std::optional<Mailbox> ParseMailbox(std::string_view path);

// Whether this is a sender: empty, or a local part (dot-string or quoted string) and a host name or
// address literal. Printable ASCII only: SMTPUTF8 is not offered.
bool IsReversePath(std::string_view path);

// What HELO, EHLO and LHLO may give: printable ASCII without blanks. Real clients say more than
// the RFC allows, and nothing is decided by it.
bool IsHelo(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_ADDRESS_H_
