// ingestd/intake/smtp/protocol/recipients.h
// Which addresses take reports. Everything else is refused: nothing is ever relayed.

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_RECIPIENTS_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_RECIPIENTS_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "ingestd/intake/smtp/protocol/address.h"

namespace dmarcate {

struct RecipientVerdict {
  enum class Kind : uint8_t {
    kUnknown,    // takes no reports
    kTaken,      // takes reports
    kUndecided,  // nobody can say yet
  };
  Kind kind = Kind::kUnknown;
  std::string domain;  // kTaken: of a report address, whose reports it takes; empty: any domain's
};

// Asked on the thread of the sessions. What it answers may change while they run.
class RecipientTable {
 public:
  virtual ~RecipientTable() = default;
  virtual RecipientVerdict Find(const Mailbox& mailbox) const = 0;
  bool Accepts(const Mailbox& mailbox) const {
    return Find(mailbox).kind == RecipientVerdict::Kind::kTaken;
  }
};

// The addresses of the configuration. Compared without case, in local part and domain.
class ConfiguredRecipients final : public RecipientTable {
 public:
  // kInvalidArgument names the first of `addresses` that is none. Domains may have U-labels.
  static absl::StatusOr<ConfiguredRecipients> Parse(const std::vector<std::string>& addresses);
  RecipientVerdict Find(const Mailbox& mailbox) const override {
    using Kind = RecipientVerdict::Kind;
    return {mailboxes_.contains(mailbox) ? Kind::kTaken : Kind::kUnknown, ""};
  }

 private:
  std::set<Mailbox> mailboxes_;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_RECIPIENTS_H_
