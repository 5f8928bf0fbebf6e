// ingestd/intake/smtp/protocol/recipients.h
// Which addresses take reports. Everything else is refused: nothing is ever relayed.

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_RECIPIENTS_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_RECIPIENTS_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "ingestd/intake/smtp/protocol/address.h"

namespace dmarcate {

// Thread-safe. What it answers may change while sessions run.
class RecipientTable {
 public:
  virtual ~RecipientTable() = default;
  virtual bool Accepts(const Mailbox& mailbox) const = 0;
};

// The addresses of the configuration. Compared without case, in local part and domain.
class ConfiguredRecipients final : public RecipientTable {
 public:
  // kInvalidArgument names the first of `addresses` that is none. Domains may have U-labels.
  static absl::StatusOr<ConfiguredRecipients> Parse(const std::vector<std::string>& addresses);
  bool Accepts(const Mailbox& mailbox) const override { return mailboxes_.contains(mailbox); }

 private:
  std::set<Mailbox> mailboxes_;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_RECIPIENTS_H_
