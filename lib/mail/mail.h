// lib/mail/mail.h
// What a mail says about itself, and whether bytes are a mail at all.

#ifndef DMARCATE_LIB_MAIL_MAIL_H_
#define DMARCATE_LIB_MAIL_MAIL_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace dmarcate {

// Claims of the sender, unauthenticated. Valid UTF-8; empty where absent.
struct HeaderFacts {
  std::string from_domain;  // of the first From address, lower case
  std::string subject;      // encoded words decoded
  std::string message_id;   // without angle brackets
  std::optional<absl::Time> date;
};

// `headers` is a header section (Mail::messages).
HeaderFacts ReadHeaderFacts(std::string_view headers);

// True if `bytes` begins with header fields and one of them is a field that only mail has. A byte
// order mark, blank lines and a "From " line may come first.
bool LooksLikeMail(std::string_view bytes);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAIL_MAIL_H_
