#include "lib/mail/mail_fields.h"

#include "lib/base/status_macros.h"

namespace dmarcate {

absl::StatusOr<MailFields> ReadMailFields(std::string_view mail, const MailLimits& limits) {
  const size_t begin = HeaderBegin(mail, 0);
  HeaderReader reader(mail.substr(begin, static_cast<size_t>(limits.header_bytes)));
  MailFields out;
  while (const auto field = reader.Next()) {
    if (out.fields.size() >= static_cast<size_t>(limits.header_lines)) {
      return MakeError(absl::StatusCode::kResourceExhausted,
                       fmt::format("over {} header fields", limits.header_lines));
    }
    out.fields.push_back(*field);
  }
  if (reader.position() >= static_cast<size_t>(limits.header_bytes)) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     fmt::format("header section over {} bytes", limits.header_bytes));
  }
  out.body = mail.substr(begin + reader.position());
  return out;
}

}  // namespace dmarcate
