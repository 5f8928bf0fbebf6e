#include "policyd/service/domain_fields.h"

#include <cstddef>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"
#include "policyd/plan/delegation.h"
#include "policyd/plan/dmarc_plan.h"
#include "policyd/service/handler.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxMailboxOctets = 254;  // RFC 5321 section 4.5.3.1.3, without < and >

}  // namespace

absl::StatusOr<std::string> ReadMailbox(const std::string& mailbox) {
  if (mailbox.empty()) return std::string();
  if (mailbox.size() > kMaxMailboxOctets || !MailtoUri(mailbox).ok()) {
    return FieldError("domain.report_mailbox",
                      fmt::format("\"{}\" is no mail address",
                                  EscapeForTerminal(std::string_view(mailbox).substr(0, 300))));
  }
  return mailbox;
}

absl::StatusOr<std::string> ReadDelegationZone(const std::string& zone, const std::string& domain) {
  if (zone.empty()) return std::string();
  const auto refuse = [](std::string_view why) {
    return FieldError("domain.delegation_zone", why);
  };
  const absl::StatusOr<DomainName> name = DomainName::Parse(zone);
  if (!name.ok()) return refuse(MessageOf(name.status()));
  const absl::StatusOr<DomainName> own = DomainName::Parse(domain);
  if (name->IsRoot()) return refuse("the root is no zone of yours");
  if (own.ok() && name->IsAtOrBelow(*own)) {
    return refuse(fmt::format("{} is in the domain's own zone; want a zone of yours elsewhere",
                              name->text()));
  }
  if (own.ok() && !DelegatedOwner(RecordRole::kDmarc, *own, *name).ok()) {
    return refuse("the names of the records would be too long");
  }
  return name->text();
}

}  // namespace dmarcate
