#include "ingestd/intake/smtp/protocol/recipients.h"

#include <optional>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

absl::StatusOr<ConfiguredRecipients> ConfiguredRecipients::Parse(
    const std::vector<std::string>& addresses) {
  ConfiguredRecipients out;
  for (const std::string& address : addresses) {
    const size_t at = address.find('@');
    std::optional<Mailbox> mailbox;
    if (at != std::string::npos) {
      if (const auto domain = DomainName::Parse(address.substr(at + 1)); domain.ok()) {
        mailbox = ParseMailbox(address.substr(0, at + 1) + domain->text());
      }
    }
    if (!mailbox.has_value()) {
      return MakeError(absl::StatusCode::kInvalidArgument,
                       fmt::format("'{}' is no plain mail address", address));
    }
    out.mailboxes_.insert(*std::move(mailbox));
  }
  return out;
}

}  // namespace dmarcate
