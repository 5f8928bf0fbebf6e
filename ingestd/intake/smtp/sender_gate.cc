#include "ingestd/intake/smtp/sender_gate.h"

#include "fmt/format.h"

#include "lib/base/log.h"

namespace dmarcate {
namespace {

constexpr size_t kLinesAMinute = 20;

}  // namespace

SenderGate::SenderGate(const SenderBudgetLimits& limits, const PublicSuffixList& suffixes,
                       const Clock& clock)
    : clock_(clock), budgets_(limits, suffixes), lines_(kLinesAMinute) {}

bool SenderGate::Admits(const MailSender& sender, std::span<const std::string> recipients) {
  const std::lock_guard lock(mutex_);
  const absl::Duration now = clock_.Monotonic();  // in the order of the calls
  return Tell(budgets_.Check(sender, recipients, now), now);
}

bool SenderGate::Take(const MailSender& sender, std::span<const std::string> recipients,
                      int64_t bytes) {
  const std::lock_guard lock(mutex_);
  const absl::Duration now = clock_.Monotonic();
  return Tell(budgets_.Take(sender, recipients, bytes, now), now);
}

bool SenderGate::Tell(const BudgetVerdict& verdict, absl::Duration now) {
  if (verdict.within) return true;
  const std::string_view kind = BudgetKindName(verdict.exhausted);
  if (const auto held_back = lines_.Admit(fmt::format("{} {}", kind, verdict.key), now)) {
    LogWarn("smtp_over_budget", {{"budget", kind}, {"of", verdict.key}, {"held_back", *held_back}});
  }
  return false;
}

// SPF binds the mail to the address that sent it. A signature alone does not: a signed report can
// be sent again by anyone who once got one.
void SenderGate::Learn(const Envelope& envelope, const CarrierAuth& auth, TrustClass best) {
  if (auth.spf.result != SpfResult::kPass) return;
  const bool anchored = best == TrustClass::kAnchored && auth.spf.aligned;
  const MailSender sender{envelope.client, envelope.helo, envelope.mail_from};
  const std::lock_guard lock(mutex_);
  budgets_.Prove(sender, anchored ? SenderStanding::kAnchored : SenderStanding::kConfirmed,
                 clock_.Monotonic());
}

}  // namespace dmarcate
