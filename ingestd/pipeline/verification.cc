#include "ingestd/pipeline/verification.h"

#include <algorithm>

#include "lib/inspect/carrier_check.h"
#include "lib/mail/header.h"
#include "lib/mail/mail.h"

namespace dmarcate {

CarrierChecker MakeCarrierChecker(Resolver& resolver, const PublicSuffixList& suffixes,
                                  const Clock& clock) {
  return [&resolver, &suffixes, &clock](
             std::string_view mail, const std::optional<Envelope>& envelope, absl::Time arrived) {
    std::optional<CarrierEnvelope> session;
    if (envelope) session = CarrierEnvelope{envelope->client, envelope->helo, envelope->mail_from};
    return CheckCarrier(mail, session, resolver, suffixes, clock, arrived);
  };
}

std::string_view WithoutMailboxLine(std::string_view mail) {
  if (mail.starts_with("\xEF\xBB\xBF")) mail.remove_prefix(3);
  while (!mail.empty()) {
    const TextLine line = LineAt(mail, 0);
    const bool blank = line.text.find_first_not_of(" \t\r") == std::string_view::npos;
    if (!blank && !line.text.starts_with("From ") && !line.text.starts_with(">From ")) break;
    mail.remove_prefix(line.next);
  }
  return mail;
}

bool NeedsCheck(std::string_view content, const std::optional<Envelope>& envelope) {
  if (!LooksLikeMail(content)) return false;
  return envelope || FindField(WithoutMailboxLine(content), "DKIM-Signature").has_value();
}

absl::Duration RetryDelay(const Verification& verification, int failures) {
  constexpr int kMostDoublings = 20;
  return std::min(
      verification.first_retry * (int64_t{1} << std::clamp(failures - 1, 0, kMostDoublings)),
      verification.longest_retry);
}

}  // namespace dmarcate
