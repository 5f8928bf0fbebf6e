// lib/mail/mail_fields.h
// The header fields of a message as signatures see them: every one, in order, byte for byte; and
// the body behind them. Where the header begins and ends is decided as in mime_scan.h, so what is
// verified is what is read.

#ifndef DMARCATE_LIB_MAIL_MAIL_FIELDS_H_
#define DMARCATE_LIB_MAIL_MAIL_FIELDS_H_

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/mail/header.h"
#include "lib/mail/mime_scan.h"

namespace dmarcate {

// Views into the message.
struct MailFields {
  std::vector<HeaderField> fields;  // from the top
  std::string_view body;            // behind the blank line; may begin with a line that is no field
};

//   kResourceExhausted  more header than `limits` has; ScanMail stops at the same
absl::StatusOr<MailFields> ReadMailFields(std::string_view mail, const MailLimits& limits = {});

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAIL_MAIL_FIELDS_H_
