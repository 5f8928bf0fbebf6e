#include "cli/trust_text.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "fmt/format.h"

#include "cli/messages.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

constexpr std::pair<std::string_view, std::string_view> kNextSteps[] = {
    {"not_signed", "ask the reporter to sign; if you know it is genuine: dmarcate reports import"},
    {"not_mail", "deliver the whole mail; if you know it is genuine: dmarcate reports import"},
    {"from_not_single", "ask the reporter to send with one From address"},
    {"signature_failed", "look for what changes mail before it gets here: a footer, a scanner"},
    {"signature_refused", "ask the reporter for a key of 1024 bits or more, and no expiry"},
    {"signature_partial", "ask the reporter to sign From, Subject, Date and the whole body"},
    {"key_gone", "if it is old mail that you know: dmarcate reports import"},
    {"not_aligned", "ask the reporter to sign with the domain of its From address"},
    {"dmarc_failed", "ask the reporter to align DKIM or SPF with its From address"},
    {"dns_unreachable", "see that the resolver answers, then import the mail again"},
    {"identity_mismatch", "ask who sent it; if it is genuine: dmarcate reports quarantine release"},
    {"anchor_claimed", "take it for a forgery, unless you know the sender"},
    {"content_ambiguous", "look at the mail: dmarcate reports quarantine show MESSAGE --raw FILE"},
    {"impossible_count", "ask the reporter for a report with right numbers"},
    {"period_unusual", ""},
    {"enclosed", "have the reporter send to you directly, not through a forwarded mail"},
    {"handed_in", ""},
    {"history", ""},
    {"released", ""},
    {"not_verified", "set trust.verify = true in ingestd.toml to have mail verified"},
};

}  // namespace

std::string TrustText(v1::TrustClass trust, std::string_view reason) {
  std::string out = EnumText(v1::TrustClass_Name(trust), "TRUST_CLASS_");
  if (!reason.empty()) out += fmt::format(" ({})", EscapeForTerminal(reason));
  return out;
}

std::string StandingText(v1::TrustClass trust, std::string_view reason, bool superseded) {
  std::string out = TrustText(trust, reason);
  if (superseded) return out + ", superseded by another one: counts nowhere";
  const bool counts = trust != v1::TRUST_CLASS_UNVERIFIED && trust != v1::TRUST_CLASS_QUARANTINED;
  return counts ? out : out + ": counts nowhere";
}

std::string_view NextStep(std::string_view reason) {
  const auto* const found =
      std::ranges::find(kNextSteps, reason, &std::pair<std::string_view, std::string_view>::first);
  return found == std::end(kNextSteps) ? std::string_view() : found->second;
}

}  // namespace dmarcate::cli
